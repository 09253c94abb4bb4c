"""Links: revoke them, and record that one was made."""

from typing import Final

from sqlalchemy import bindparam, update

from ringback.domain.callback import Callback
from ringback.domain.event import Event, EventKind, key_fact
from ringback.domain.ids import CallbackId
from ringback.store.database import Connection, SqlPart, writes
from ringback.store.events import record
from ringback.store.queries import find, lock
from ringback.store.tables import callbacks

REVOKE: Final = (
    update(callbacks)
    .where(callbacks.c.id == bindparam("callback_id"))
    .values(link_serial=callbacks.c.link_serial + 1)
)


class SqlLinks(SqlPart):
    """`Links` on a SQL database."""

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
