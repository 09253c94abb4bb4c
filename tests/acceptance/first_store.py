"""A store as the first version of Ringback left it, with its activities waiting in Temporal."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, Table
from temporalio import activity

import ringback.store
from ringback.domain.ids import CallbackId
from ringback.domain.link import ALL_VERBS, Keyring, Link
from tests.acceptance.site import Site

FIRST: Final = "0001"
_KEY_ID: Final = "test"
_LINK_LASTS: Final = timedelta(days=30)


async def write_first_store(site: Site, asked: Sequence[activity.Info], answered: int) -> None:
    """Make the store of `site`: callbacks of these activities, the first of them answered."""
    callbacks = [_callback(number, info) for number, info in enumerate(asked)]
    outcomes = [_outcome(number, asked[number]) for number in range(answered)]
    async with site.connected() as connection:
        await connection.run_sync(_write, {"callbacks": callbacks, "outcomes": outcomes})


def first_link(site: Site, number: int, info: activity.Info) -> str:
    """Return the path of the link that was given out with the callback of this number."""
    keyring = Keyring({_KEY_ID: bytes.fromhex(site.keys.partition(":")[2])}, signing=_KEY_ID)
    link = Link(_id(number), ALL_VERBS, info.scheduled_time + _LINK_LASTS, _KEY_ID)
    return f"/c/{keyring.sign(link)}"


def first_answer(number: int) -> object:
    """Return the answer that the first version had accepted for the callback of this number."""
    return {"accepted before the upgrade": number}


def _write(connection: Connection, rows: dict[str, list[dict[str, Any]]]) -> None:
    config = Config()
    config.set_main_option("script_location", f"{Path(ringback.store.__file__).parent}/migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, FIRST)
    tables = MetaData()
    for name, values in rows.items():
        connection.execute(Table(name, tables, autoload_with=connection).insert(), values)


def _id(number: int) -> CallbackId:
    return CallbackId(f"cb_first{number}")


def _callback(number: int, info: activity.Info) -> dict[str, Any]:
    key = [
        info.namespace,
        info.workflow_id,
        info.workflow_run_id,
        info.activity_id,
        info.scheduled_time.isoformat(),
    ]
    return {
        "id": _id(number),
        "activity_key": sha256(json.dumps(key).encode()).hexdigest()[:40],
        "round": 1,
        "namespace": info.namespace,
        "workflow_id": info.workflow_id,
        "run_id": info.workflow_run_id,
        "activity_id": info.activity_id,
        "scheduled_at": _micro(info.scheduled_time),
        "workflow_type": info.workflow_type,
        "activity_type": info.activity_type,
        "task_queue": info.task_queue,
        "attempt": info.attempt,
        "opened_at": _micro(info.started_time),
        "submitted_at": _micro(info.started_time),
        "deadline_at": _micro(info.started_time + timedelta(minutes=1)),
        "closed_at": None,
        "expired_because": None,
        "verbs": sum(verb.value for verb in ALL_VERBS),
        "key_id": _KEY_ID,
        "link_expires_at": _micro(info.scheduled_time + _LINK_LASTS),
    }


def _outcome(number: int, info: activity.Info) -> dict[str, Any]:
    return {
        "callback_id": _id(number),
        "outcome_id": f"oc_first{number}",
        "kind": "completed",
        "body": json.dumps(first_answer(number)).encode(),
        "fields": {},
        "accepted_at": _micro(info.started_time),
        "state": "accepted",
        "due_at": _micro(info.started_time),
        "claimed_by": None,
        "tries": 0,
        "trouble": None,
        "handed_to": None,
        "handed_attempt": None,
        "verdict_at": None,
        "proof": None,
    }


def _micro(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)
