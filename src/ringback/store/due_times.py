"""Repair due times after a clock was set back, in a SQL database."""

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
from ringback.ports.deadlines import LongestWaits
from ringback.store.database import Connection, SqlPart, writes
from ringback.store.tables import Instant, callbacks, outcomes, webhooks

MOST: Final = 1000
NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""When a look at an answered callback is due."""

_SECOND: Final = timedelta(seconds=1) // timedelta(microseconds=1)
_SHORTEST: Final = 5 * _SECOND
"""A heartbeat that was not taken waits for so long, however short its timeout is."""

_now: ColumnElement[datetime] = bindparam("now", type_=Instant)
_latest: ColumnElement[datetime] = bindparam("latest", type_=Instant)

_far_deliveries = (
    select(outcomes.c.callback_id)
    .where(outcomes.c.state == State.ACCEPTED.value, outcomes.c.due_at > _latest)
    .limit(MOST)
)

DELIVERIES: Final = (
    update(outcomes)
    .where(outcomes.c.callback_id.in_(_far_deliveries), outcomes.c.due_at > _latest)
    .values(due_at=_now)
)

_far_webhooks = (
    select(webhooks.c.id)
    .where(webhooks.c.ended_at.is_(None), webhooks.c.due_at > _latest)
    .limit(MOST)
)

WEBHOOKS: Final = (
    update(webhooks)
    .where(webhooks.c.id.in_(_far_webhooks), webhooks.c.due_at > _latest)
    .values(due_at=_now)
)

_is_far_look: ColumnElement[bool] = (callbacks.c.poll_due_at > _latest) & (
    callbacks.c.poll_due_at < bindparam("never", NEVER, type_=Instant)
)
_far_looks = select(callbacks.c.id).where(callbacks.c.closed_at.is_(None), _is_far_look).limit(MOST)

LOOKS: Final = (
    update(callbacks)
    .where(callbacks.c.id.in_(_far_looks), _is_far_look)
    .values(poll_due_at=_now, poll_held_until=None)
)

#: Whole microseconds, as instants and durations are stored.
_timeout: ColumnElement[int] = type_coerce(callbacks.c.heartbeat_timeout, BigInteger)
_until: ColumnElement[int] = type_coerce(callbacks.c.heartbeat_due_at, BigInteger)
_shortest: ColumnElement[int] = type_coerce(_now, BigInteger) + _SHORTEST
_is_far_beat: ColumnElement[bool] = (_until > _shortest) & (
    _until - type_coerce(_now, BigInteger) > func.coalesce(_timeout, 60 * _SECOND)
)
_far_beats = (
    select(callbacks.c.id)
    .where(callbacks.c.closed_at.is_(None), callbacks.c.heartbeat_due_at.is_not(None), _is_far_beat)
    .limit(MOST)
)

BEATS: Final = (
    update(callbacks)
    .where(callbacks.c.id.in_(_far_beats), _is_far_beat)
    .values(heartbeat_due_at=_now, heartbeat_held_until=None)
)


class SqlDueTimes(SqlPart):
    """`DueTimes` on a SQL database."""

    @writes
    async def repair(self, connection: Connection, longest: LongestWaits) -> int:
        now = await self._database.now(connection)
        repairs: list[tuple[Update, dict[str, object]]] = [
            (DELIVERIES, {"latest": now + longest.delivery}),
            (WEBHOOKS, {"latest": now + longest.webhook}),
            (LOOKS, {"latest": now + longest.poll}),
            (BEATS, {}),
        ]
        repaired = 0
        for statement, values in repairs:
            result = await connection.execute(statement, {"now": now, **values})
            repaired += result.rowcount
        return repaired
