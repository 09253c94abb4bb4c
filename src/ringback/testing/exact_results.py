"""Results without a schema library: what a schema says is the one result that meets it."""

from collections.abc import Sequence

from ringback.domain.errors import Problem


class ExactResults:
    """A `ResultChecker` for tests."""

    async def problems(self, schema: str, result: bytes | None) -> Sequence[Problem]:
        return [] if result == schema.encode() else [Problem("/a", f"not {schema}")]
