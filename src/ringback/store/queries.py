"""Queries that several parts of the store use: lock, find and time callbacks, and record entries.

A transaction that decides on callbacks first locks their rows with `lock`, then reads them in a
later statement. On PostgreSQL, a statement that had to wait for a lock sees the locked rows as they
are now, and all others as they were when it began. Rows are always locked in the order of their
ids, so that two batches never deadlock. Every statement also repeats the condition that guards it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, Final, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Executable,
    Text,
    bindparam,
    case,
    cast,
    exists,
    insert,
    null,
    select,
    update,
)

from ringback.domain.audit import AuditEntry
from ringback.domain.callback import Callback
from ringback.domain.errors import UnreadableCallbackError
from ringback.domain.ids import CallbackId
from ringback.domain.notification import ESCALATION, SHOWN
from ringback.domain.webhook import NOTIFIED, webhooks_for
from ringback.store import mapping
from ringback.store.bulk_params import INSERTS, Instant, any_of
from ringback.store.database import Connection, Database
from ringback.store.mapping import OUTCOME_COLUMNS
from ringback.store.outbox_tables import notifications, webhooks
from ringback.store.tables import audit_trail, callbacks, outcomes
from ringback.store.unreadable import read_rows

_PART: Final = 256
"""Maximum number of callbacks that one statement reads or writes."""

T = TypeVar("T")


class OvertakenError(Exception):
    """Another transaction has committed what this one was about to write; try again."""


#: Callbacks with their outcomes.
CALLBACKS: Final = select(callbacks, *OUTCOME_COLUMNS).outerjoin_from(callbacks, outcomes)

#: Columns that lists leave out: their values may be large or secret.
_UNLISTED: Final = frozenset({"task_token", "on_deadline_body", "heartbeat_details", "body"})


def _listed(column: Column[Any]) -> ColumnElement[Any]:
    return null().label(column.name) if column.name in _UNLISTED else column


#: The columns of `CALLBACKS`, with `NULL` for those that lists leave out.
LISTED: Final = [_listed(column) for column in [*callbacks.c, *OUTCOME_COLUMNS]]

_FIND: Final = CALLBACKS.where(any_of(callbacks.c.id, "ids"))

HAS_OUTCOME: Final = exists().where(outcomes.c.callback_id == callbacks.c.id).correlate(callbacks)

#: The callback is neither answered nor closed.
IS_OPEN: Final = callbacks.c.closed_at.is_(None) & ~HAS_OUTCOME

#: Other transactions may still insert entries that refer to the locked rows.
_LOCK: Final = (
    select(callbacks.c.id)
    .where(any_of(callbacks.c.id, "ids"))
    .order_by(callbacks.c.id)
    .with_for_update(key_share=True)
)

#: Whether people get messages about the callback.
HAS_NOTIFICATIONS: Final[ColumnElement[bool]] = cast(callbacks.c.notify, Text) != "[]"

#: Whether people or programs are notified of entries of the callback.
IS_WATCHED: Final[ColumnElement[bool]] = (
    callbacks.c.cancel_url.is_not(None) | callbacks.c.notify_url.is_not(None) | HAS_NOTIFICATIONS
)

_WATCHED: Final = select(
    callbacks.c.id,
    callbacks.c.cancel_url,
    callbacks.c.notify_url,
    HAS_NOTIFICATIONS.label("has_notifications"),
).where(any_of(callbacks.c.id, "ids"), IS_WATCHED)

#: Notifications show the change as soon as possible.
_CHANGE_NOTIFICATIONS: Final = (
    update(notifications)
    .where(any_of(notifications.c.callback_id, "ids"), notifications.c.channel != ESCALATION)
    .values(
        version=notifications.c.version + 1,
        due_at=bindparam("now", type_=Instant),
        failing_since=case(
            (notifications.c.due_at.is_not(None), notifications.c.failing_since), else_=None
        ),
    )
)

#: Store each webhook once.
_ADD_WEBHOOK: Final = {
    dialect: insert_into(webhooks).on_conflict_do_nothing(index_elements=["id"])
    for dialect, insert_into in INSERTS.items()
}


async def lock(connection: Connection, ids: Iterable[CallbackId]) -> frozenset[CallbackId]:
    """Lock these callbacks until the commit; return those that exist."""
    locked: set[CallbackId] = set()
    for part in parts(sorted(set(ids))):
        result = await connection.execute(_LOCK, {"ids": part})
        locked.update(CallbackId(row.id) for row in result)
    return frozenset(locked)


async def find(connection: Connection, ids: Iterable[CallbackId]) -> dict[CallbackId, Callback]:
    """Return those of the callbacks that exist.

    Raises:
        UnreadableCallbackError: A row cannot be read.
    """
    found, unreadable = await _find(connection, ids)
    if unreadable:
        raise UnreadableCallbackError(unreadable[0])
    return found


async def find_readable(
    connection: Connection, ids: Iterable[CallbackId]
) -> dict[CallbackId, Callback]:
    """Return those of the callbacks that exist and whose rows can be read."""
    found, _ = await _find(connection, ids)
    return found


async def _find(
    connection: Connection, ids: Iterable[CallbackId]
) -> tuple[dict[CallbackId, Callback], list[CallbackId]]:
    found: list[Callback] = []
    unreadable: list[CallbackId] = []
    for part in parts(ids):
        result = await connection.execute(_FIND, {"ids": part})
        readable, others = read_rows(result, mapping.to_callback, key="id")
        found += readable
        unreadable += (CallbackId(row.id) for row in others)
    return {callback.id: callback for callback in found}, unreadable


async def time_until(
    database: Database, connection: Connection, next_due: Executable
) -> timedelta | None:
    """Return how long until the instant that `next_due` selects; `None` if there is none."""
    due_at = await connection.scalar(next_due)
    if due_at is None:
        return None
    wait: timedelta = due_at - await database.now(connection)
    return max(timedelta(0), wait)


async def record(connection: Connection, happened: Iterable[AuditEntry]) -> None:
    """Add entries to the audit trail, and announce them.

    The caller has locked the callbacks or created them in this transaction, unless an entry only
    reports how a webhook or a message ended.
    """
    recorded = list(happened)
    rows = [mapping.from_entry(entry) for entry in recorded]
    await execute_each(connection, insert(audit_trail), rows)
    await announce(connection, recorded)


async def announce(connection: Connection, happened: Iterable[AuditEntry]) -> None:
    """Add a webhook for each entry whose callback has a URL for it, and make messages due."""
    announced = [one for one in happened if one.kind in NOTIFIED or one.kind in SHOWN]
    if not announced:
        return
    ids = list({entry.callback_id for entry in announced})
    watched = {row.id: row for row in await connection.execute(_WATCHED, {"ids": ids})}
    heard = [entry for entry in announced if entry.callback_id in watched]
    added = [
        mapping.from_webhook(webhook)
        for entry in heard
        for webhook in webhooks_for(
            entry, watched[entry.callback_id].cancel_url, watched[entry.callback_id].notify_url
        )
    ]
    await execute_each(connection, _ADD_WEBHOOK[connection.dialect.name], added)
    shown = [
        entry
        for entry in heard
        if entry.kind in SHOWN and watched[entry.callback_id].has_notifications
    ]
    if shown:
        changed = {entry.callback_id for entry in shown}
        values = {"ids": sorted(changed), "now": max(entry.at for entry in shown)}
        await connection.execute(_CHANGE_NOTIFICATIONS, values)


async def execute_each(
    connection: Connection, statement: Executable, values: Sequence[Mapping[str, Any]]
) -> None:
    """Execute `statement` once for each of `values`; do nothing if there are none."""
    if values:
        await connection.execute(statement, values)


def parts(items: Iterable[T], size: int = _PART) -> Iterator[list[T]]:
    """Yield `items` in their order, at most `size` at a time; nothing if there are none."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
