"""Store the result schemas of callbacks, each once, and delete those that no callback has.

A schema can contain data: the form of a question shows what an agent wants to do.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    Column,
    Delete,
    Index,
    Integer,
    Select,
    Table,
    Text,
    Update,
    bindparam,
    delete,
    exists,
    select,
    update,
)

from ringback.domain.ids import schema_id
from ringback.domain.opening import OpenRequest
from ringback.store.bulk_params import INSERTS, Instant, any_of
from ringback.store.database import Connection, SqlPart, writes
from ringback.store.queries import execute_each
from ringback.store.tables import callbacks, index_where, metadata

FRESH: Final = timedelta(hours=1)
"""How long a process need not mark a schema again."""

UNUSED: Final = timedelta(days=1)
"""How long ago a schema was marked if it is looked at: no transaction in flight relies on that."""

_MOST: Final = 10_000

#: The result schemas; the id is a digest of the text.
schemas = Table(
    "schemas",
    metadata,
    Column("id", Text, primary_key=True),
    Column("text", Text, nullable=False),
    #: A callback with it was opened at this time, or up to an hour later.
    Column("used_at", Instant, nullable=False),
    Index("ix_schemas_used_at", "used_at"),
)

_has_schema = callbacks.c.schema_id.is_not(None)
index_where(_has_schema, "ix_callbacks_schema", callbacks.c.schema_id)

SCHEMAS: Final = select(schemas).where(any_of(schemas.c.id, "ids"))

#: Store a schema, or mark it as used.
MARK: Final = {
    dialect: insert.on_conflict_do_update(
        index_elements=["id"], set_={"used_at": insert.excluded.used_at}
    )
    for dialect, insert in ((name, into(schemas)) for name, into in INSERTS.items())
}

LOOK: Final[Select[tuple[str]]] = (
    select(schemas.c.id)
    .where(schemas.c.used_at < bindparam("cutoff", type_=Instant))
    .order_by(schemas.c.used_at)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(skip_locked=True)
)

DELETE: Final[Delete] = delete(schemas).where(
    any_of(schemas.c.id, "ids"),
    ~exists(select(callbacks.c.id).where(callbacks.c.schema_id == schemas.c.id)),
)

KEEP: Final[Update] = (
    update(schemas)
    .where(any_of(schemas.c.id, "ids"))
    .values(used_at=bindparam("now", type_=Instant))
)


class UsedSchemas:
    """When this process marked which schemas as used."""

    def __init__(self) -> None:
        """Begin without any."""
        self._marked_at: dict[str, datetime] = {}

    async def mark(
        self, connection: Connection, requests: Sequence[OpenRequest], now: datetime
    ) -> Sequence[str]:
        """Store the schemas of `requests`, or mark them as used; return the ids of those."""
        wanted = {one.result_schema for one in requests if one.result_schema is not None}
        texts = {schema_id(text): text for text in wanted}
        # In the order of ids: of two transactions that mark the same ones, one waits.
        ids = sorted(id_ for id_ in texts if not self._is_fresh(id_, now))
        values = [{"id": id_, "text": texts[id_], "used_at": now} for id_ in ids]
        await execute_each(connection, MARK[connection.dialect.name], values)
        return ids

    def remember(self, ids: Sequence[str], now: datetime) -> None:
        """Mark `ids` no more for an hour: the transaction that has marked them is committed."""
        if len(self._marked_at) + len(ids) > _MOST:
            self._marked_at.clear()
        self._marked_at |= dict.fromkeys(ids, now)

    def _is_fresh(self, id_: str, now: datetime) -> bool:
        marked_at = self._marked_at.get(id_)
        return marked_at is not None and now - marked_at < FRESH


async def find_schemas(connection: Connection, ids: Collection[str]) -> dict[str, str]:
    """Return the texts of the schemas that are stored."""
    if not ids:
        return {}
    result = await connection.execute(SCHEMAS, {"ids": ids})
    return {row.id: row.text for row in result}


class SqlSchemas(SqlPart):
    """Deletes schemas that no callback has any more."""

    @writes
    async def purge_schemas(self, connection: Connection, *, limit: int) -> tuple[int, int]:
        # Whoever opens a callback has marked its schema within the hour, so no schema is looked at
        # that a transaction in flight needs.
        now = await self._database.now(connection)
        found = await connection.execute(LOOK, {"cutoff": now - UNUSED, "limit": limit})
        ids = [row.id for row in found]
        if not ids:
            return 0, 0
        deleted = await connection.execute(DELETE, {"ids": ids})
        await connection.execute(KEEP, {"ids": ids, "now": now})
        return len(ids), deleted.rowcount
