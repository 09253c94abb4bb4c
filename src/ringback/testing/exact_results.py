"""A checker for tests: what a schema says is the one result that meets it."""

from collections.abc import Sequence

from ringback.domain.errors import Problem


class ExactResults:
    """A `ResultChecker` that needs no library."""

    def problems(self, schema: str, result: bytes | None) -> Sequence[Problem]:
        """Return one problem unless `result` is `schema`, to the letter."""
        return [] if result == schema.encode() else [Problem("/a", f"not {schema}")]
