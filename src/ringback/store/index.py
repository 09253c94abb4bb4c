"""Looking, on a SQL database."""

from collections.abc import Sequence

from ringback.domain.callback import Callback
from ringback.domain.event import Event
from ringback.domain.ids import CallbackId
from ringback.domain.query import Query
from ringback.store import rows
from ringback.store.database import Database
from ringback.store.statements import index as statements


class SqlIndex:
    """`CallbackIndex` on a SQL database."""

    def __init__(self, database: Database) -> None:
        """Read everything from `database`, whose schema is the newest."""
        self._database = database

    async def page(
        self, query: Query, *, after: CallbackId | None, limit: int
    ) -> Sequence[Callback]:
        """See `CallbackIndex.page`."""
        async with self._database.reading() as connection:
            now = await self._database.now(connection)
            found: dict[CallbackId, Callback] = {}
            for statement in statements.pages(query, after=after, now=now, limit=limit):
                result = await connection.execute(statement)
                found |= {CallbackId(row.id): rows.to_callback(row) for row in result}
        return [found[id_] for id_ in sorted(found)[:limit]]

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
