"""Validation of results against a JSON Schema."""

from collections.abc import Sequence
from typing import Protocol

from ringback.domain.errors import Problem


class ResultChecker(Protocol):
    """Validates results."""

    async def problems(self, schema: str, result: bytes | None) -> Sequence[Problem]:
        """Return the problems of `result`; empty if it matches `schema`.

        The check has a time limit and a memory limit; exceeding one is a problem. A missing result
        is checked as `null`, which the workflow receives.

        Args:
            schema: A JSON Schema (2020-12), as text.
            result: One JSON value.
        """
        ...
