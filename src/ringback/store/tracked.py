"""Save what polls and heartbeats change of callbacks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol, TypeVar

from sqlalchemy import Executable, Update, bindparam, update

from ringback.domain.ids import CallbackId
from ringback.domain.liveness import TrackedCallback
from ringback.store import mapping
from ringback.store.assignments import change_due_times
from ringback.store.bulk_params import any_of
from ringback.store.database import Connection, Database
from ringback.store.queries import CALLBACKS, execute_each, lock, parts, record
from ringback.store.tables import callbacks
from ringback.store.unreadable import read_rows

_FIND_TRACKED: Final = CALLBACKS.where(any_of(callbacks.c.id, "ids"))


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


class _Change(Protocol):
    @property
    def callback_id(self) -> CallbackId: ...


C = TypeVar("C", bound=_Change)


async def apply_all(
    connection: Connection,
    statement: Executable,
    changes: Sequence[C],
    *,
    apply: Callable[[TrackedCallback, C, datetime], TrackedCallback],
    database: Database,
) -> None:
    """Apply each of `changes` to its callback if that exists, and save the callbacks."""
    before = await lock_tracked(connection, [one.callback_id for one in changes])
    now = await database.now(connection)
    after = dict(before)
    for one in changes:
        if one.callback_id in after:
            after[one.callback_id] = apply(after[one.callback_id], one, now)
    await save_changes(connection, statement, before=before, after=after, now=now)


async def lock_tracked(
    connection: Connection, ids: Iterable[CallbackId]
) -> dict[CallbackId, TrackedCallback]:
    """Lock these callbacks until the commit; return those whose rows can be read."""
    locked: list[TrackedCallback] = []
    for part in parts(await lock(connection, ids)):
        result = await connection.execute(_FIND_TRACKED, {"ids": part})
        readable, _ = read_rows(result, mapping.to_tracked, key="id")
        locked += readable
    return {tracked.callback.id: tracked for tracked in locked}


async def save_changes(
    connection: Connection,
    statement: Executable,
    *,
    before: Mapping[CallbackId, TrackedCallback],
    after: Mapping[CallbackId, TrackedCallback],
    now: datetime,
) -> None:
    """Write the callbacks `after` that differ from `before`, and record their events."""
    changed = [tracked for id_, tracked in sorted(after.items()) if tracked is not before[id_]]
    await execute_each(connection, statement, [mapping.from_tracked(one) for one in changed])
    moved = [
        one.callback
        for one in changed
        if one.callback.deadline_at != before[one.callback.id].callback.deadline_at
    ]
    await change_due_times(connection, moved, now)
    await record(connection, [event for tracked in changed for event in tracked.happened])
