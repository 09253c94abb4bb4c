"""API keys."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Column, LargeBinary, Table, Text, bindparam, select, update

from ringback.domain.api_key import ApiKey, KeyId, Role
from ringback.ports.access import NewKey
from ringback.store.bulk_params import INSERTS, Instant
from ringback.store.database import Connection, SqlPart, reads, writes
from ringback.store.tables import metadata
from ringback.store.unreadable import AnyRow, RowTypes, read_rows

#: API keys; the secret itself is never stored.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)

#: If several gateways add the same key at once, one does.
ADD: Final = {
    dialect: insert(api_keys).on_conflict_do_nothing() for dialect, insert in INSERTS.items()
}

FIND: Final = select(api_keys).where(api_keys.c.id == bindparam("key_id"))

ALL: Final = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id)

#: The first revocation counts.
REVOKE: Final = (
    update(api_keys)
    .where(api_keys.c.id == bindparam("key_id"), api_keys.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("now", type_=Instant))
)


_TYPES: Final = RowTypes([*api_keys.c])


class SqlApiKeys(SqlPart):
    """`ApiKeys` on a SQL database."""

    @writes
    async def add_key(self, connection: Connection, new: NewKey) -> ApiKey:
        now = await self._database.now(connection)
        key = ApiKey(new.id, new.name, new.role, new.digest, now)
        await connection.execute(ADD[self._database.dialect], _from_key(key))
        return key

    @reads
    async def find_key(self, connection: Connection, key_id: KeyId) -> ApiKey | None:
        return await _find(connection, key_id)

    @reads
    async def all_keys(self, connection: Connection) -> Sequence[ApiKey]:
        keys, _ = read_rows(await connection.execute(ALL), _to_key, key="id")
        return keys

    @writes
    async def revoke_key(self, connection: Connection, key_id: KeyId) -> ApiKey | None:
        now = await self._database.now(connection)
        await connection.execute(REVOKE, {"key_id": key_id, "now": now})
        return await _find(connection, key_id)


async def _find(connection: Connection, key_id: KeyId) -> ApiKey | None:
    result = await connection.execute(FIND, {"key_id": key_id})
    keys, _ = read_rows(result, _to_key, key="id")
    return keys[0] if keys else None


def _from_key(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role.value,
        "digest": key.digest,
        "created_at": key.created_at,
    }


def _to_key(row: AnyRow) -> ApiKey:
    _TYPES.check(row)
    return ApiKey(
        KeyId(row.id), row.name, Role(row.role), row.digest, row.created_at, row.revoked_at
    )
