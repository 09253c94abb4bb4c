"""Check results against the JSON Schema of what an activity returns."""

from collections.abc import Sequence
from typing import Protocol

from ringback.domain.errors import Problem


class ResultChecker(Protocol):
    """Checks results against schemas."""

    async def problems(self, schema: str, result: bytes | None) -> Sequence[Problem]:
        """Return what is wrong with `result`; nothing if it meets `schema`.

        The check has a time limit and a memory limit. A result that exceeds one of them has a
        problem that says so. A missing result is checked as `null`, which the workflow receives.

        Args:
            schema: A JSON Schema (2020-12), as text.
            result: One JSON value.
        """
        ...
