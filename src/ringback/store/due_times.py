"""Repair due times after a clock was set back."""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Update,
    bindparam,
    func,
    select,
    type_coerce,
    update,
)

from ringback.domain.callback import State
from ringback.domain.deadlines import POLL_GRACE
from ringback.ports.deadlines import LongestWaits
from ringback.store.bulk_params import Instant
from ringback.store.database import Connection, SqlPart, writes
from ringback.store.outbox_tables import notifications, webhooks
from ringback.store.tables import callbacks, outcomes

NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""When the next poll of an answered callback is due."""

_MOST: Final = 1000
"""Maximum number of due times of each kind that one repair changes."""

_SECOND: Final = timedelta(seconds=1) // timedelta(microseconds=1)

_SHORTEST: Final = 5 * _SECOND
"""The shortest wait after a failed heartbeat, whatever the heartbeat timeout."""

_now: ColumnElement[datetime] = bindparam("now", type_=Instant)
_latest: ColumnElement[datetime] = bindparam("latest", type_=Instant)


def _repair(
    key: Column[str], is_waiting: ColumnElement[bool], is_far: ColumnElement[bool], **values: object
) -> Update:
    """Return what sets `values` in rows that wait and are due too far ahead; `key` names a row."""
    far = select(key).where(is_waiting, is_far).limit(_MOST)
    return update(key.table).where(key.in_(far), is_far).values(values)


_is_open: ColumnElement[bool] = callbacks.c.closed_at.is_(None)

_REPAIR_DELIVERIES: Final = _repair(
    outcomes.c.callback_id,
    outcomes.c.state == State.ACCEPTED.value,
    outcomes.c.due_at > _latest,
    due_at=_now,
)

_REPAIR_WEBHOOKS: Final = _repair(
    webhooks.c.id, webhooks.c.ended_at.is_(None), webhooks.c.due_at > _latest, due_at=_now
)

#: Those that failed or are claimed; a reminder may be due far ahead.
_REPAIR_NOTIFICATIONS: Final = _repair(
    notifications.c.id,
    notifications.c.due_at.is_not(None),
    (notifications.c.held_until > _latest)
    | (notifications.c.last_error.is_not(None) & (notifications.c.due_at > _latest)),
    due_at=_now,
    held_until=None,
)

_REPAIR_POLLS: Final = _repair(
    callbacks.c.id,
    _is_open,
    (callbacks.c.poll_due_at > _latest)
    & (callbacks.c.poll_due_at < bindparam("never", NEVER, type_=Instant)),
    poll_due_at=_now,
    poll_held_until=None,
)

# Instants and durations are stored as whole microseconds.
_timeout: ColumnElement[int] = type_coerce(callbacks.c.heartbeat_timeout, BigInteger)
_due_at: ColumnElement[int] = type_coerce(callbacks.c.heartbeat_due_at, BigInteger)
_wait: ColumnElement[int] = _due_at - type_coerce(_now, BigInteger)

_REPAIR_HEARTBEATS: Final = _repair(
    callbacks.c.id,
    _is_open & callbacks.c.heartbeat_due_at.is_not(None),
    (_wait > _SHORTEST) & (_wait > func.coalesce(_timeout, 60 * _SECOND)),
    heartbeat_due_at=_now,
    heartbeat_held_until=None,
)

_poll_due_at: ColumnElement[int] = type_coerce(callbacks.c.sender_poll_due_at, BigInteger)
_poll_every: ColumnElement[int] = type_coerce(callbacks.c.poll_every, BigInteger)
_own_deadline: ColumnElement[int] = type_coerce(callbacks.c.own_deadline_at, BigInteger)

#: Claims and postponements are shorter than `POLL_GRACE`. A poll is due at its interval, or at the
#: deadline if there is none.
_REPAIR_SENDER_POLLS: Final = _repair(
    callbacks.c.id,
    _is_open & callbacks.c.sender_poll_due_at.is_not(None),
    (callbacks.c.sender_poll_due_at > _latest)
    & (_poll_due_at > func.coalesce(type_coerce(_now, BigInteger) + _poll_every, _own_deadline)),
    sender_poll_due_at=_now,
)


class SqlDueTimes(SqlPart):
    """`DueTimes` on a SQL database."""

    @writes
    async def repair(self, connection: Connection, longest: LongestWaits) -> int:
        now = await self._database.now(connection)
        repairs: list[tuple[Update, dict[str, object]]] = [
            (_REPAIR_DELIVERIES, {"latest": now + longest.delivery}),
            (_REPAIR_WEBHOOKS, {"latest": now + longest.webhook}),
            (_REPAIR_NOTIFICATIONS, {"latest": now + longest.webhook}),
            (_REPAIR_POLLS, {"latest": now + longest.poll}),
            (_REPAIR_HEARTBEATS, {}),
            (_REPAIR_SENDER_POLLS, {"latest": now + POLL_GRACE}),
        ]
        repaired = 0
        for statement, values in repairs:
            result = await connection.execute(statement, {"now": now, **values})
            repaired += result.rowcount
        return repaired
