"""Repair due times after a clock was set back."""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import (
    BigInteger,
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

_far_deliveries = (
    select(outcomes.c.callback_id)
    .where(outcomes.c.state == State.ACCEPTED.value, outcomes.c.due_at > _latest)
    .limit(_MOST)
)

_REPAIR_DELIVERIES: Final = (
    update(outcomes)
    .where(outcomes.c.callback_id.in_(_far_deliveries), outcomes.c.due_at > _latest)
    .values(due_at=_now)
)

_far_webhooks = (
    select(webhooks.c.id)
    .where(webhooks.c.ended_at.is_(None), webhooks.c.due_at > _latest)
    .limit(_MOST)
)

_REPAIR_WEBHOOKS: Final = (
    update(webhooks)
    .where(webhooks.c.id.in_(_far_webhooks), webhooks.c.due_at > _latest)
    .values(due_at=_now)
)

_is_far_notification: ColumnElement[bool] = (notifications.c.held_until > _latest) | (
    notifications.c.last_error.is_not(None) & (notifications.c.due_at > _latest)
)

#: Those that failed or are claimed; a reminder may be due far ahead.
_REPAIR_NOTIFICATIONS: Final = (
    update(notifications)
    .where(notifications.c.due_at.is_not(None), _is_far_notification)
    .values(due_at=_now, held_until=None)
)

_is_far_poll: ColumnElement[bool] = (callbacks.c.poll_due_at > _latest) & (
    callbacks.c.poll_due_at < bindparam("never", NEVER, type_=Instant)
)

_far_polls = (
    select(callbacks.c.id).where(callbacks.c.closed_at.is_(None), _is_far_poll).limit(_MOST)
)

_REPAIR_POLLS: Final = (
    update(callbacks)
    .where(callbacks.c.id.in_(_far_polls), _is_far_poll)
    .values(poll_due_at=_now, poll_held_until=None)
)

# Instants and durations are stored as whole microseconds.
_timeout: ColumnElement[int] = type_coerce(callbacks.c.heartbeat_timeout, BigInteger)
_due_at: ColumnElement[int] = type_coerce(callbacks.c.heartbeat_due_at, BigInteger)
_wait: ColumnElement[int] = _due_at - type_coerce(_now, BigInteger)
_is_far_heartbeat: ColumnElement[bool] = (_wait > _SHORTEST) & (
    _wait > func.coalesce(_timeout, 60 * _SECOND)
)

_far_heartbeats = (
    select(callbacks.c.id)
    .where(
        callbacks.c.closed_at.is_(None),
        callbacks.c.heartbeat_due_at.is_not(None),
        _is_far_heartbeat,
    )
    .limit(_MOST)
)

_REPAIR_HEARTBEATS: Final = (
    update(callbacks)
    .where(callbacks.c.id.in_(_far_heartbeats), _is_far_heartbeat)
    .values(heartbeat_due_at=_now, heartbeat_held_until=None)
)

# Claims and postponements are shorter than `POLL_GRACE`. A poll is due at its interval, or at the
# deadline if there is none.
_poll_due_at: ColumnElement[int] = type_coerce(callbacks.c.sender_poll_due_at, BigInteger)
_poll_every: ColumnElement[int] = type_coerce(callbacks.c.poll_every, BigInteger)
_is_far_sender_poll: ColumnElement[bool] = (callbacks.c.sender_poll_due_at > _latest) & (
    _poll_due_at
    > func.coalesce(
        type_coerce(_now, BigInteger) + _poll_every,
        type_coerce(callbacks.c.own_deadline_at, BigInteger),
    )
)

_far_sender_polls = (
    select(callbacks.c.id)
    .where(
        callbacks.c.closed_at.is_(None),
        callbacks.c.sender_poll_due_at.is_not(None),
        _is_far_sender_poll,
    )
    .limit(_MOST)
)

_REPAIR_SENDER_POLLS: Final = (
    update(callbacks)
    .where(callbacks.c.id.in_(_far_sender_polls), _is_far_sender_poll)
    .values(sender_poll_due_at=_now)
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
