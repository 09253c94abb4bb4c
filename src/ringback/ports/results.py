"""Results: what an activity returns, as a schema that tells a result of it from any other JSON."""

from collections.abc import Sequence
from typing import Protocol

from ringback.domain.errors import Problem


class ResultChecker(Protocol):
    """Checks results against schemas."""

    def problems(self, schema: str, result: bytes | None) -> Sequence[Problem]:
        """Return what is wrong with `result`; nothing if it meets `schema`.

        Total: whatever the bytes. No result at all is checked as `null`, as which it arrives.

        Args:
            schema: A JSON Schema (2020-12), as text; the same few come again and again.
            result: One JSON value.
        """
        ...
