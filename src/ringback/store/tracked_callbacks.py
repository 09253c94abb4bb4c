"""Read and write callbacks with their `PollState`, for polls and heartbeats."""

from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import Executable, Update, bindparam, update

from ringback.domain.ids import CallbackId
from ringback.domain.liveness import PollState, TrackedCallback
from ringback.store import mapping
from ringback.store.bulk_params import any_of
from ringback.store.database import Connection
from ringback.store.events import record
from ringback.store.queries import CALLBACKS, execute_each, lock, parts
from ringback.store.tables import callbacks
from ringback.store.unreadable import AnyRow, read_rows

#: Callbacks with their outcomes; the columns of their `PollState` are among them.
_FIND: Final = CALLBACKS.where(any_of(callbacks.c.id, "ids"))


def update_columns(*names: str) -> Update:
    """Return a statement that sets these columns of one callback to what `save_changes` writes."""
    values = {name: bindparam(f"{name}_", type_=callbacks.c[name].type) for name in names}
    return update(callbacks).where(callbacks.c.id == bindparam("callback_id")).values(values)


LEARNED_COLUMNS: Final = (
    "default_due_at",
    "cancel_requested_at",
    "paused_at",
    "reset_at",
    "heartbeat_due_at",
    "poll_due_at",
)


async def lock_tracked(
    connection: Connection, ids: Iterable[CallbackId]
) -> dict[CallbackId, TrackedCallback]:
    """Return those callbacks that exist and whose rows can be read, locked until the commit."""
    locked: list[TrackedCallback] = []
    for part in parts(await lock(connection, ids)):
        result = await connection.execute(_FIND, {"ids": part})
        readable, _ = read_rows(result, _to_tracked, key="id")
        locked += readable
    return {tracked.callback.id: tracked for tracked in locked}


async def save_changes(
    connection: Connection,
    statement: Executable,
    *,
    before: Mapping[CallbackId, TrackedCallback],
    after: Mapping[CallbackId, TrackedCallback],
) -> None:
    """Write those callbacks `after` that differ from `before`, and record their events."""
    changed = [tracked for id_, tracked in sorted(after.items()) if tracked is not before[id_]]
    await execute_each(connection, statement, [_from_tracked(tracked) for tracked in changed])
    await record(connection, [event for tracked in changed for event in tracked.happened])


def _from_tracked(tracked: TrackedCallback) -> dict[str, object]:
    """Return the values of all columns that a statement of `update_columns` may set."""
    callback, poll_state, heartbeat_state = (
        tracked.callback,
        tracked.poll_state,
        tracked.callback.heartbeat_state,
    )
    return {
        **mapping.from_deadline(callback),
        "cancel_requested_at_": callback.cancel_requested_at,
        "paused_at_": callback.paused_at,
        "heartbeat_timeout_": heartbeat_state.timeout,
        "details_": heartbeat_state.details,
        "heartbeat_received_at_": heartbeat_state.heartbeat_received_at,
        "heartbeat_sent_at_": heartbeat_state.heartbeat_sent_at,
        "heartbeat_due_at_": heartbeat_state.heartbeat_due_at,
        "poll_due_at_": poll_state.poll_due_at,
        "poll_held_until_": poll_state.poll_held_until,
        "heartbeat_held_until_": poll_state.heartbeat_held_until,
        "reset_at_": poll_state.reset_at,
    }


def _to_tracked(row: AnyRow) -> TrackedCallback:
    poll_state = PollState(
        row.poll_due_at, row.poll_held_until, row.heartbeat_held_until, row.reset_at
    )
    return TrackedCallback(mapping.to_callback(row), poll_state)
