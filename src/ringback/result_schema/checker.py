"""Check results against JSON Schemas, without ever leaving this machine."""

import logging
from collections.abc import Sequence
from typing import Final

from ringback.domain.errors import Problem
from ringback.result_schema.process_pool import CheckTookTooLongError, Pool
from ringback.result_schema.validate import cached_cost, find_problems

MOST_WORK: Final = 500_000
"""Up to this weight of a schema times the bytes of a result, a check takes at most 10 ms."""

TOO_LONG: Final = Problem("", "it takes too long to check; send a smaller or less nested result")
_SCHEMA_TOO_LONG: Final = "it takes too long to read; make it smaller"

_logger = logging.getLogger(__name__)


class SchemaChecker:
    """`ResultChecker` by jsonschema-rs.

    A check whose cost is bounded by the sizes of schema and result runs at once. Any other runs in
    another process: jsonschema-rs has no time limit, and no other thread runs while it works.
    """

    def __init__(self) -> None:
        """Start no process before a check needs one."""
        self._pool = Pool()

    async def problems(self, schema: str, result: bytes | None) -> Sequence[Problem]:
        if cached_cost(schema) * len(result or b"null") <= MOST_WORK:
            return find_problems(schema, result)
        try:
            problems: Sequence[Problem] = await self._pool.run(schema, result, True)  # noqa: FBT003 - a message
        except CheckTookTooLongError:
            _logger.warning("a result took too long to check, or too much memory: it is rejected")
            return [TOO_LONG]
        return problems

    async def why_unusable(self, schema: str) -> str | None:
        """Return why results cannot be checked against the text `schema`; `None` if they can."""
        try:
            why: str | None = await self._pool.run(schema, None, False)  # noqa: FBT003 - a message
        except CheckTookTooLongError:
            return _SCHEMA_TOO_LONG
        return why
