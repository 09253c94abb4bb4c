"""Revoke the links to callbacks, and record new ones."""

from typing import Final

from sqlalchemy import bindparam, update

from ringback.domain.audit import AuditEntry, AuditKind, key_fact
from ringback.domain.callback import Callback
from ringback.domain.ids import CallbackId
from ringback.store.database import Connection, SqlPart, writes
from ringback.store.queries import find, lock, record
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
        await record(connection, [AuditEntry(callback_id, now, AuditKind.REVOKED, facts)])
        return callback

    @writes
    async def record_link(
        self, connection: Connection, callback_id: CallbackId, facts: dict[str, object]
    ) -> None:
        if await lock(connection, [callback_id]):
            now = await self._database.now(connection)
            await record(connection, [AuditEntry(callback_id, now, AuditKind.LINK_CREATED, facts)])
