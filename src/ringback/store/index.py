"""Looking, on a SQL database."""

from collections.abc import Sequence

from ringback.domain.callback import Callback, State
from ringback.domain.event import Event
from ringback.domain.ids import CallbackId
from ringback.store import rows
from ringback.store.database import Database
from ringback.store.deliveries import ENDS
from ringback.store.statements import index as statements


class SqlIndex:
    """`CallbackIndex` on a SQL database."""

    def __init__(self, database: Database) -> None:
        """Read everything from `database`, whose schema is the newest."""
        self._database = database

    async def page(
        self, *, states: frozenset[State], after: CallbackId | None, limit: int
    ) -> Sequence[Callback]:
        """See `CallbackIndex.page`."""
        is_over_included = not states.isdisjoint(ENDS)
        statement = statements.PAGE if is_over_included else statements.PAGE_NOT_CLOSED
        values = {
            "states": [state.value for state in states],
            "after": after or "",
            "limit": limit,
        }
        async with self._database.reading() as connection:
            return [rows.to_callback(row) for row in await connection.execute(statement, values)]

    async def overdue(self, *, limit: int) -> Sequence[Callback]:
        """See `CallbackIndex.overdue`."""
        async with self._database.reading() as connection:
            now = await self._database.now(connection)
            result = await connection.execute(statements.OVERDUE, {"now": now, "limit": limit})
            return [rows.to_callback(row) for row in result]

    async def events(self, callback_id: CallbackId) -> Sequence[Event]:
        """See `CallbackIndex.events`."""
        async with self._database.reading() as connection:
            result = await connection.execute(statements.EVENTS, {"callback_id": callback_id})
            return [rows.to_event(row) for row in result]
