"""Looking, on a SQL database."""

from collections.abc import Sequence
from operator import itemgetter

from ringback.domain.callback import Callback
from ringback.domain.event import Event
from ringback.domain.ids import CallbackId
from ringback.domain.query import Query
from ringback.store import mapping
from ringback.store.connection import Connection
from ringback.store.database import Database
from ringback.store.statements import index as statements
from ringback.store.transactions import reads
from ringback.store.unreadable import AnyRow, read_rows


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
        page: list[Callback] = []
        while True:
            found: dict[str, AnyRow] = {}
            for statement in statements.pages(query, after=after, now=now, limit=limit):
                found |= {row.id: row for row in await connection.execute(statement)}
            ids = sorted(found)[:limit]
            readable, _ = read_rows([found[id_] for id_ in ids], mapping.to_callback, key="id")
            page += readable
            if len(page) >= limit or len(ids) < limit:
                return page[:limit]
            after = CallbackId(ids[-1])

    @reads
    async def overdue(self, connection: Connection, *, limit: int) -> Sequence[Callback]:
        """See `CallbackIndex.overdue`."""
        now = await self._database.now(connection)
        result = await connection.execute(statements.OVERDUE, {"now": now, "limit": limit})
        overdue, _ = read_rows(result, mapping.to_callback, key="id")
        return overdue

    @reads
    async def events(self, connection: Connection, callback_id: CallbackId) -> Sequence[Event]:
        """See `CallbackIndex.events`."""
        of_it = {"callback_id": callback_id}
        found, _ = read_rows(
            await connection.execute(statements.EVENTS, of_it),
            lambda row: ((row.id, False), mapping.to_event(row)),
        )
        # Behind the event that was the newest then.
        accepted, _ = read_rows(
            await connection.execute(statements.ACCEPTED, of_it),
            lambda row: ((row.after_event, True), mapping.to_accepted_event(row)),
        )
        return [event for _, event in sorted([*found, *accepted], key=itemgetter(0))]
