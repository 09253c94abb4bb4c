"""Looking, on a SQL database."""

from collections.abc import Sequence
from operator import itemgetter

from ringback.domain.callback import Callback
from ringback.domain.event import Event
from ringback.domain.ids import CallbackId
from ringback.domain.query import Query
from ringback.store import rows
from ringback.store.connection import Connection
from ringback.store.database import Database
from ringback.store.statements import index as statements
from ringback.store.transactions import reads


class SqlIndex:
    """`CallbackIndex` on a SQL database."""

    def __init__(self, database: Database) -> None:
        """Read everything from `database`, whose schema is the newest."""
        self._database = database

    @reads
    async def page(
        self, connection: Connection, query: Query, *, after: CallbackId | None, limit: int
    ) -> Sequence[Callback]:
        """See `CallbackIndex.page`."""
        now = await self._database.now(connection)
        found: dict[CallbackId, Callback] = {}
        for statement in statements.pages(query, after=after, now=now, limit=limit):
            result = await connection.execute(statement)
            found |= {CallbackId(row.id): rows.to_callback(row) for row in result}
        return [found[id_] for id_ in sorted(found)[:limit]]

    @reads
    async def overdue(self, connection: Connection, *, limit: int) -> Sequence[Callback]:
        """See `CallbackIndex.overdue`."""
        now = await self._database.now(connection)
        result = await connection.execute(statements.OVERDUE, {"now": now, "limit": limit})
        return [rows.to_callback(row) for row in result]

    @reads
    async def events(self, connection: Connection, callback_id: CallbackId) -> Sequence[Event]:
        """See `CallbackIndex.events`."""
        of_it = {"callback_id": callback_id}
        found = [
            ((row.id, False), rows.to_event(row))
            for row in await connection.execute(statements.EVENTS, of_it)
        ]
        # Behind the event that was the newest then.
        found += [
            ((row.after_event, True), rows.to_accepted_event(row))
            for row in await connection.execute(statements.ACCEPTED, of_it)
        ]
        return [event for _, event in sorted(found, key=itemgetter(0))]
