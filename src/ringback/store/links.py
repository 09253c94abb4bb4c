"""Links: revoke them, and record that one was made."""

from typing import Final

from sqlalchemy import bindparam, update

from ringback.domain.callback import Callback
from ringback.domain.event import Event, EventKind, key_fact
from ringback.domain.ids import CallbackId
from ringback.store.connection import Connection
from ringback.store.database import Database
from ringback.store.events import record
from ringback.store.queries import find, lock
from ringback.store.tables import callbacks
from ringback.store.transactions import writes

REVOKE: Final = (
    update(callbacks)
    .where(callbacks.c.id == bindparam("callback_id"))
    .values(link_serial=callbacks.c.link_serial + 1)
)


class SqlLinks:
    """`Links` on a SQL database."""

    def __init__(self, database: Database) -> None:
        """Keep everything in `database`, whose schema is the newest."""
        self._database = database

    @writes
    async def revoke(
        self, connection: Connection, callback_id: CallbackId, *, by: str | None = None
    ) -> Callback | None:
        if not await lock(connection, [callback_id]):
            return None
        now = await self._database.now(connection)
        await connection.execute(REVOKE, {"callback_id": callback_id})
        callback = (await find(connection, [callback_id]))[callback_id]
        facts: dict[str, object] = {"serial": callback.link_serial, **key_fact(by)}
        await record(connection, [Event(callback_id, now, EventKind.REVOKED, facts)])
        return callback

    @writes
    async def record_link(
        self, connection: Connection, callback_id: CallbackId, facts: dict[str, object]
    ) -> None:
        if await lock(connection, [callback_id]):
            now = await self._database.now(connection)
            await record(connection, [Event(callback_id, now, EventKind.LINK_CREATED, facts)])
