"""A store as version 0002 left it: what it kept from 0001, and what it wrote itself."""

from typing import Any, Final

from sqlalchemy import Connection, MetaData, Table

from tests.contract.version_0001 import NOW, bring_to, make_0001

SCHEMA: Final = {"id": "sc_1", "text": '{"type": "integer"}'}
STARTED_AT: Final = round(NOW.timestamp() - 10) * 1_000_000

#: What 0002 knew of callbacks and outcomes besides what 0001 did.
WRITTEN: Final[dict[str, dict[str, Any]]] = {
    "cb_open": {
        "attempt_started_at": STARTED_AT,
        "task_token": b"a token",
        "answer_by": round(NOW.timestamp() + 30) * 1_000_000,
        "default_due_at": round(NOW.timestamp() + 30) * 1_000_000,
        "on_deadline_kind": "completed",
        "on_deadline_body": b"0",
        "on_deadline_fields": {},
        "attempts": "current",
        "follows_reset": True,
        "schema_id": "sc_1",
    },
    "cb_submitted": {"opened_at": STARTED_AT},
}
OUTCOME: Final[dict[str, Any]] = {
    "is_default": True,
    "unproven_attempt": 2,
    "unproven_started_at": STARTED_AT,
}


def make_0002(connection: Connection) -> None:
    make_0001(connection)
    bring_to(connection, "0002")
    tables = MetaData()
    tables.reflect(connection)
    callbacks = tables.tables["callbacks"]
    for id_, values in WRITTEN.items():
        connection.execute(callbacks.update().where(callbacks.c.id == id_).values(values))
    connection.execute(tables.tables["schemas"].insert(), SCHEMA)
    _write(connection, tables.tables["outcomes"])


def _write(connection: Connection, outcomes: Table) -> None:
    claimed = outcomes.c.callback_id == "cb_claimed"
    connection.execute(outcomes.update().where(claimed).values(OUTCOME))
