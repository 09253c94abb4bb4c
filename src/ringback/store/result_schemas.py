"""Store the result schemas of callbacks, each once."""

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import select

from ringback.domain.ids import schema_id
from ringback.domain.opening import OpenRequest
from ringback.store.bulk_params import INSERTS, any_of
from ringback.store.database import Connection
from ringback.store.queries import execute_each
from ringback.store.tables import schemas

SCHEMAS: Final = select(schemas).where(any_of(schemas.c.id, "ids"))

#: Store a schema unless it is stored.
ADD_SCHEMA: Final = {
    dialect: insert_into(schemas).on_conflict_do_nothing(index_elements=["id"])
    for dialect, insert_into in INSERTS.items()
}


async def add_schemas(
    connection: Connection, stored: Collection[str], requests: Sequence[OpenRequest]
) -> None:
    """Store the schemas of `requests`, except those whose ids are certainly `stored`."""
    wanted = {one.result_schema for one in requests if one.result_schema is not None}
    texts = {schema_id(text): text for text in wanted}
    if all(id_ in stored for id_ in texts):
        return
    known = await find_schemas(connection, texts)
    missing = [{"id": id_, "text": texts[id_]} for id_ in sorted(texts) if id_ not in known]
    await execute_each(connection, ADD_SCHEMA[connection.dialect.name], missing)


async def find_schemas(connection: Connection, ids: Collection[str]) -> dict[str, str]:
    """Return the texts of the schemas that are stored."""
    if not ids:
        return {}
    result = await connection.execute(SCHEMAS, {"ids": ids})
    return {row.id: row.text for row in result}
