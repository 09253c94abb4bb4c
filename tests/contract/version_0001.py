"""A store as version 0001 left it, with a callback in every state."""

import json
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, Table

import ringback.store
from tests import factories

NOW: Final = factories.NOW
SCHEDULED_AT: Final = NOW - timedelta(seconds=61)


def make_0001(connection: Connection) -> None:
    bring_to(connection, "0001")
    tables = MetaData()
    for name, found in rows().items():
        connection.execute(Table(name, tables, autoload_with=connection).insert(), found)


def bring_to(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", f"{Path(ringback.store.__file__).parent}/migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def rows() -> dict[str, list[dict[str, Any]]]:
    outcomes = [
        _outcome("accepted", due_at=_micro(-1)),
        _outcome("failed", kind="failed", body=b'["x"]', fields=_FAILED, due_at=_micro(-2)),
        _outcome("claimed", tries=3, trouble="away", claimed_by="old", due_at=_micro(60)),
        _outcome(
            "handed", claimed_by="w", handed_to="w", handed_attempt=2, tries=0, due_at=_micro(60)
        ),
        _outcome("applied", state="applied", verdict_at=_micro(-1), proof={"by": "us"}, tries=1),
        _outcome("superseded", state="superseded", verdict_at=_micro(-1), proof={"by": "them"}),
        _outcome("parked", state="parked", verdict_at=_micro(-1), proof={"reason": "no"}, tries=9),
    ]
    callbacks = [
        _callback("open"),
        _callback("submitted", submitted_at=_micro(-30)),
        _callback("without", deadline_at=None),
        _callback("expired", closed_at=_micro(-5), expired_because="timed out"),
        *(_callback(row["callback_id"][3:], submitted_at=_micro(-30)) for row in outcomes),
    ]
    for row in callbacks:
        if row["id"] in {"cb_applied", "cb_superseded"}:
            row["closed_at"] = _micro(-1)
    return {"callbacks": callbacks, "outcomes": outcomes, "events": _events(callbacks, outcomes)}


_FAILED: Final = {"message": "no", "type": "No", "non_retryable": True, "next_retry_delay": 1.5}


def _micro(seconds: float) -> int:
    return round((NOW.timestamp() + seconds) * 1_000_000)


def _callback(name: str, **more: object) -> dict[str, Any]:
    return {
        "id": f"cb_{name}",
        "activity_key": _key(f"workflow-{name}"),
        "round": 1,
        "namespace": "default",
        "workflow_id": f"workflow-{name}",
        "run_id": "6a3f",
        "activity_id": "1",
        "scheduled_at": _micro(-61),
        "workflow_type": "Order",
        "activity_type": "charge",
        "task_queue": "orders",
        "attempt": 2,
        "opened_at": _micro(-60),
        "submitted_at": None,
        "deadline_at": _micro(60),
        "closed_at": None,
        "expired_because": None,
        "verbs": 31,
        "key_id": "k1",
        "link_expires_at": _micro(3600),
        **more,
    }


def _key(workflow_id: str) -> str:
    """Return the digest of an activity, as 0001 made it."""
    text_ = json.dumps(["default", workflow_id, "6a3f", "1", SCHEDULED_AT.isoformat()])
    return sha256(text_.encode()).hexdigest()[:40]


def _outcome(name: str, **more: object) -> dict[str, Any]:
    return {
        "callback_id": f"cb_{name}",
        "outcome_id": f"oc_{name}",
        "kind": "completed",
        "body": b'{"n":1.10}',
        "fields": {},
        "accepted_at": _micro(-20),
        "state": "accepted",
        "due_at": _micro(-20),
        "claimed_by": None,
        "tries": 0,
        "trouble": None,
        "handed_to": None,
        "handed_attempt": None,
        "verdict_at": None,
        "proof": None,
        **more,
    }


def _events(callbacks: list[dict[str, Any]], outcomes: list[dict[str, Any]]) -> list[Any]:
    opened = [_event(row["id"], "opened", {"attempt": 1}) for row in callbacks]
    answered = [_event(row["callback_id"], "accepted", {"kind": row["kind"]}) for row in outcomes]
    return [*opened, *answered, _event("cb_expired", "expired", {"reason": "timed out"})]


def _event(callback_id: str, kind: str, facts: dict[str, object]) -> dict[str, Any]:
    return {"callback_id": callback_id, "at": _micro(-60), "kind": kind, "facts": facts}
