"""Read what waits, by partial indexes and in bounded steps, for metrics and `ringback status`.

No statement but `LINK_KEYS`, which metrics do not need, reads the rows of `callbacks` except those
that it returns. None reads more than `MOST` entries of an index, except `OLDEST_UNDELIVERED`.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Integer,
    ScalarSelect,
    Select,
    Subquery,
    Text,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    true,
)

from ringback.domain.callback import State
from ringback.domain.ids import CallbackId
from ringback.ports.gauges import MOST, SHOWN_FOR, Countable, Snapshot, Troubles, Waiting
from ringback.store.bulk_params import Instant
from ringback.store.database import Connection, SqlPart, reads
from ringback.store.event_tables import events
from ringback.store.outbox_tables import notifications, webhooks
from ringback.store.tables import callbacks, outcomes

_now: ColumnElement[datetime] = bindparam("now", type_=Instant)


def _is(state: State) -> ColumnElement[bool]:
    """Return the condition with a literal: only then does a planner use a partial index."""
    return outcomes.c.state == literal_column(f"'{state.value}'")


def _first(statement: Select[Any], name: str | None = None) -> Subquery:
    # A literal: a plan for any limit may sort the whole table.
    return statement.limit(literal_column(str(MOST))).subquery(name)


_undelivered = _first(
    select(outcomes.c.callback_id, outcomes.c.accepted_at)
    .where(_is(State.ACCEPTED))
    .order_by(outcomes.c.due_at, outcomes.c.callback_id)
)

#: How many outcomes are accepted and not yet delivered, and when the oldest was accepted.
UNDELIVERED: Final = select(
    func.count().label("undelivered"), func.min(_undelivered.c.accepted_at).label("accepted_at")
).select_from(_undelivered)

LONGEST_UNDELIVERED: Final = (
    select(_undelivered.c.callback_id)
    .order_by(_undelivered.c.accepted_at, _undelivered.c.callback_id)
    .limit(bindparam("most", type_=Integer))
)

_events = _first(
    select(events.c.received_at).where(events.c.due_at.is_not(None)).order_by(events.c.due_at)
)

#: How many events wait, and when the oldest was received.
EVENTS: Final = select(
    func.count().label("events"), func.min(_events.c.received_at).label("received_at")
).select_from(_events)

_parked = _first(
    select(outcomes.c.callback_id).where(_is(State.PARKED)).order_by(outcomes.c.callback_id)
)

PARKED: Final = select(func.count().label("parked")).select_from(_parked)

#: It reads one index, which has the time of acceptance.
OLDEST_UNDELIVERED: Final = select(func.min(outcomes.c.accepted_at)).where(_is(State.ACCEPTED))


def _passed(deadline: Column[Any], name: str) -> Subquery:
    """Return the open callbacks whose `deadline` has passed, among the first `MOST`."""
    return _first(
        select(callbacks.c.id, deadline.label("deadline_at"))
        .where(callbacks.c.closed_at.is_(None), deadline.is_not(None), deadline <= _now)
        .order_by(deadline),
        name,
    )


_own, _attempts = (
    _passed(callbacks.c.own_deadline_at, "own"),
    _passed(callbacks.c.attempt_timeout_at, "attempts"),
)


def _overdue(of: Subquery) -> Select[Any]:
    # The end of an answered callback is not overdue.
    answered = exists().where(outcomes.c.callback_id == of.c.id)
    return select(of.c.id, of.c.deadline_at).where(~answered)


def _earliest(of: Subquery) -> ScalarSelect[Any]:
    found = _overdue(of).subquery()
    return select(func.min(found.c.deadline_at)).scalar_subquery()


#: The earliest deadline that has passed: the activity's own, and Temporal's.
OVERDUE_SINCE: Final = select(
    _earliest(_own).label("own_deadline_at"), _earliest(_attempts).label("attempt_timeout_at")
)

_u, _e, _p, _o = (one.subquery() for one in (UNDELIVERED, EVENTS, PARKED, OVERDUE_SINCE))

#: All of them in one row: each statement is a trip to the database.
SNAPSHOT: Final = select(_u, _e, _p, _o).select_from(
    _u.join(_e, true()).join(_p, true()).join(_o, true())
)

_both = _overdue(_own).union_all(_overdue(_attempts)).subquery()

OVERDUE: Final = (
    select(_both.c.id)
    .group_by(_both.c.id)
    .order_by(func.min(_both.c.deadline_at), _both.c.id)
    .limit(bindparam("most", type_=Integer))
)

FIRST_PARKED: Final = select(_parked.c.callback_id).limit(bindparam("most", type_=Integer))

_due_webhooks = _first(
    select(webhooks.c.last_error).where(webhooks.c.ended_at.is_(None)).order_by(webhooks.c.due_at)
)

FAILING_WEBHOOKS: Final = (
    select(func.count()).select_from(_due_webhooks).where(_due_webhooks.c.last_error.is_not(None))
)

_due_notifications = _first(
    select(notifications.c.channel, notifications.c.failing_since)
    .where(notifications.c.due_at.is_not(None))
    .order_by(notifications.c.due_at)
)

FAILING_NOTIFICATIONS: Final = (
    select(_due_notifications.c.channel, func.count())
    .where(_due_notifications.c.failing_since.is_not(None))
    .group_by(_due_notifications.c.channel)
)

GIVEN_UP_WEBHOOKS: Final = (
    select(webhooks.c.callback_id)
    .where(
        webhooks.c.ended_at.is_not(None),
        webhooks.c.last_error.is_not(None),
        webhooks.c.ended_at > bindparam("since", type_=Instant),
    )
    .order_by(webhooks.c.ended_at.desc())
    .limit(bindparam("most", type_=Integer))
)

_given_up = _first(
    select(notifications.c.channel, notifications.c.callback_id)
    .where(notifications.c.due_at.is_(None), notifications.c.failing_since.is_not(None))
    .order_by(notifications.c.failing_since.desc())
)

#: Once the callback is closed, nobody needs the message any more.
GIVEN_UP_NOTIFICATIONS: Final = (
    select(_given_up.c.channel, _given_up.c.callback_id)
    .distinct()
    .select_from(_given_up.join(callbacks, callbacks.c.id == _given_up.c.callback_id))
    .where(callbacks.c.closed_at.is_(None))
    .order_by(_given_up.c.channel, _given_up.c.callback_id)
    .limit(bindparam("most", type_=Integer))
)

_oldest = _first(
    select(callbacks.c.key_id, callbacks.c.link_expires_at)
    # Each id is larger: it is the first page of the index.
    .where(callbacks.c.closed_at.is_(None), callbacks.c.id > literal_column("''"))
    .order_by(callbacks.c.id)
)

#: Ids begin with their time, so the oldest links are among them. It reads `MOST` rows.
LINK_KEYS: Final = select(_oldest.c.key_id).where(_oldest.c.link_expires_at > _now).distinct()

_KEYS: Final[dict[Countable, tuple[Column[Any], ColumnElement[bool]]]] = {
    Countable.NOT_CLOSED: (callbacks.c.id, callbacks.c.closed_at.is_(None)),
    Countable.EXPIRED: (callbacks.c.id, callbacks.c.expired_because.is_not(None)),
    Countable.ACCEPTED: (outcomes.c.callback_id, _is(State.ACCEPTED)),
    Countable.PARKED: (outcomes.c.callback_id, _is(State.PARKED)),
    Countable.APPLIED: (outcomes.c.callback_id, _is(State.APPLIED)),
    Countable.SUPERSEDED: (outcomes.c.callback_id, _is(State.SUPERSEDED)),
}


def _count_page(key: Column[Any], condition: ColumnElement[bool]) -> Select[int, Any]:
    page = (
        select(key.label("key"))
        .where(condition, key > bindparam("after", type_=Text))
        .order_by(key)
        .limit(bindparam("limit", type_=Integer))
        .subquery("page")
    )
    return select(func.count(), func.max(page.c.key)).select_from(page)


COUNT_PAGE: Final = {what: _count_page(*found) for what, found in _KEYS.items()}


async def _ids(
    connection: Connection, statement: Select[Any], values: dict[str, Any]
) -> tuple[CallbackId, ...]:
    return tuple(CallbackId(one) for (one,) in await connection.execute(statement, values))


async def _link_keys(connection: Connection, now: datetime) -> frozenset[str]:
    return frozenset(key for (key,) in await connection.execute(LINK_KEYS, {"now": now}))


class SqlGauges(SqlPart):
    """`GaugeStore` on a SQL database."""

    @reads
    async def snapshot(self, connection: Connection) -> Snapshot:
        now = await self._database.now(connection)
        (row,) = await connection.execute(SNAPSHOT, {"now": now})
        passed = [row.own_deadline_at, row.attempt_timeout_at]
        return Snapshot(
            at=now,
            undelivered=Waiting(row.undelivered, row.accepted_at),
            events=Waiting(row.events, row.received_at),
            parked=row.parked,
            overdue_since=min(filter(None, passed), default=None),
        )

    @reads
    async def troubles(self, connection: Connection, *, most: int) -> Troubles:
        now = await self._database.now(connection)
        values = {"now": now, "since": now - SHOWN_FOR, "most": most}
        failing = await connection.execute(FAILING_NOTIFICATIONS)
        unsent: dict[str, tuple[CallbackId, ...]] = {}
        for channel, callback_id in await connection.execute(GIVEN_UP_NOTIFICATIONS, values):
            unsent[channel] = (*unsent.get(channel, ()), CallbackId(callback_id))
        return Troubles(
            overdue=await _ids(connection, OVERDUE, values),
            parked=await _ids(connection, FIRST_PARKED, values),
            undelivered=await _ids(connection, LONGEST_UNDELIVERED, values),
            failing_webhooks=await connection.scalar(FAILING_WEBHOOKS),
            failing_notifications=dict(map(tuple, failing)),
            given_up_webhooks=await _ids(connection, GIVEN_UP_WEBHOOKS, values),
            given_up_notifications=unsent,
            link_keys=await _link_keys(connection, now),
        )

    @reads
    async def link_keys(self, connection: Connection) -> frozenset[str]:
        return await _link_keys(connection, await self._database.now(connection))

    @reads
    async def count_page(
        self, connection: Connection, what: Countable, after: CallbackId, *, limit: int
    ) -> tuple[int, CallbackId | None]:
        values = {"after": after, "limit": limit}
        ((count, last),) = await connection.execute(COUNT_PAGE[what], values)
        return count, last if count == limit else None

    @reads
    async def oldest_undelivered(self, connection: Connection) -> datetime | None:
        found: datetime | None = await connection.scalar(OLDEST_UNDELIVERED)
        return found
