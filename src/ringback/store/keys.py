"""Keeping API keys, on a SQL database."""

from collections.abc import Sequence
from typing import Final

from ringback.domain.api_key import ApiKey, KeyId, Role
from ringback.ports.keys import NewKey
from ringback.store.connection import Connection
from ringback.store.database import Database
from ringback.store.statements import keys as statements
from ringback.store.tables import api_keys
from ringback.store.transactions import reads, writes
from ringback.store.unreadable import AnyRow, RowTypes, read_rows

_TYPES: Final = RowTypes([*api_keys.c])


class SqlKeys:
    """`Keys` on a SQL database."""

    def __init__(self, database: Database) -> None:
        """Keep everything in `database`, whose schema is the newest."""
        self._database = database

    @writes
    async def add_key(self, connection: Connection, new: NewKey) -> ApiKey:
        """See `Keys.add_key`."""
        now = await self._database.now(connection)
        key = ApiKey(new.id, new.name, new.role, new.digest, now)
        await connection.execute(statements.ADD[self._database.dialect], _from_key(key))
        return key

    @reads
    async def find_key(self, connection: Connection, key_id: KeyId) -> ApiKey | None:
        """See `Keys.find_key`."""
        return await _find(connection, key_id)

    @reads
    async def all_keys(self, connection: Connection) -> Sequence[ApiKey]:
        """See `Keys.all_keys`."""
        keys, _ = read_rows(await connection.execute(statements.ALL), _to_key, key="id")
        return keys

    @writes
    async def revoke_key(self, connection: Connection, key_id: KeyId) -> ApiKey | None:
        """See `Keys.revoke_key`."""
        now = await self._database.now(connection)
        await connection.execute(statements.REVOKE, {"key_id": key_id, "now": now})
        return await _find(connection, key_id)


async def _find(connection: Connection, key_id: KeyId) -> ApiKey | None:
    result = await connection.execute(statements.FIND, {"key_id": key_id})
    keys, _ = read_rows(result, _to_key, key="id")
    return keys[0] if keys else None


def _from_key(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role.value,
        "digest": key.digest,
        "made_at": key.made_at,
    }


def _to_key(row: AnyRow) -> ApiKey:
    _TYPES.check(row)
    return ApiKey(KeyId(row.id), row.name, Role(row.role), row.digest, row.made_at, row.revoked_at)
