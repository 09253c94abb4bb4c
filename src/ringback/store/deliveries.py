"""Deliver outcomes to Temporal, from a SQL database."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    bindparam,
    case,
    func,
    literal_column,
    null,
    select,
    update,
)

from ringback.domain.callback import Callback, State
from ringback.domain.event import Event, EventKind
from ringback.domain.ids import CallbackId
from ringback.ports.store import Postponement
from ringback.store.bulk_params import any_of
from ringback.store.database import Connection, SqlPart, reads, writes
from ringback.store.events import record
from ringback.store.queries import execute_each, find_readable, lock, parts
from ringback.store.tables import Instant, callbacks, outcomes

#: In the statement's text, not as a parameter: only so the index of what is due is of use.
_is_accepted: ColumnElement[bool] = outcomes.c.state == literal_column(f"'{State.ACCEPTED.value}'")
_is_this_one: ColumnElement[bool] = outcomes.c.callback_id == bindparam("id")
#: Another try has not begun meanwhile.
_is_this_try: ColumnElement[bool] = outcomes.c.tries == bindparam("tries_")


def _of_the_callback(name: str) -> ScalarSelect[object]:
    chosen = select(callbacks.c[name]).where(callbacks.c.id == outcomes.c.callback_id)
    return chosen.correlate(outcomes).scalar_subquery()


#: Which of the callbacks have an outcome that waits for its verdict, and in which try; held until
#: the commit.
UNSETTLED: Final = (
    select(outcomes.c.callback_id, outcomes.c.tries)
    .where(any_of(outcomes.c.callback_id, "ids"), _is_accepted)
    .order_by(outcomes.c.callback_id)
    .with_for_update()
)

_says_untaken: ColumnElement[bool] = bindparam("is_not_applied", type_=outcomes.c.is_default.type)
_is_untaken: ColumnElement[bool] = _says_untaken & outcomes.c.unconfirmed_started_at.is_not(None)


def _if_untaken(value: ColumnElement[Any], name: str) -> ColumnElement[Any]:
    return case((_is_untaken, value), else_=outcomes.c[name])


POSTPONE: Final = (
    update(outcomes)
    .where(_is_this_one, _is_accepted, _is_this_try)
    .values(
        due_at=bindparam("due", type_=Instant),
        claimed_by=None,
        last_error=bindparam("why"),
        tries=outcomes.c.tries + case((_says_untaken, 1), else_=0),
        not_applied_started_at=_if_untaken(
            outcomes.c.unconfirmed_started_at, "not_applied_started_at"
        ),
        unconfirmed_attempt=_if_untaken(null(), "unconfirmed_attempt"),
        unconfirmed_started_at=_if_untaken(null(), "unconfirmed_started_at"),
    )
)

#: What is due and held by nobody else, held until the commit. A table of its own, since a subquery
#: of the condition might be run more than once, and choose anew each time.
_due = (
    select(outcomes.c.callback_id)
    .where(_is_accepted, outcomes.c.due_at <= bindparam("now", type_=Instant))
    .order_by(outcomes.c.due_at, outcomes.c.callback_id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("due")
)

#: The first such attempt stays, and one that is known not to have ended with it is none.
_is_unproven_now: ColumnElement[bool] = outcomes.c.unconfirmed_attempt.is_(None) & _of_the_callback(
    "attempt_started_at"
).is_distinct_from(outcomes.c.not_applied_started_at)

CLAIM: Final = (
    update(outcomes)
    .where(outcomes.c.callback_id == _due.c.callback_id)
    .values(
        due_at=bindparam("until", type_=Instant),
        claimed_by=bindparam("owner"),
        tries=outcomes.c.tries + 1,
        unconfirmed_attempt=case(
            (_is_unproven_now, _of_the_callback("attempt")), else_=outcomes.c.unconfirmed_attempt
        ),
        unconfirmed_started_at=case(
            (_is_unproven_now, _of_the_callback("attempt_started_at")),
            else_=outcomes.c.unconfirmed_started_at,
        ),
    )
    .returning(outcomes.c.callback_id)
)

_is_mine: ColumnElement[bool] = _is_accepted & (outcomes.c.claimed_by == bindparam("owner"))

_mine = (
    select(outcomes.c.callback_id)
    .where(_is_mine)
    .order_by(outcomes.c.callback_id)
    .with_for_update()
    .cte("mine")
)

RELEASE: Final = (
    update(outcomes)
    .where(outcomes.c.callback_id == _mine.c.callback_id, _is_mine)
    .values(due_at=bindparam("now", type_=Instant), claimed_by=None)
)

NEXT_DUE: Final = select(func.min(outcomes.c.due_at)).where(_is_accepted)

_asked_last: ColumnElement[bool] = _of_the_callback("attempt_started_at") == bindparam(
    "started_at", type_=Instant
)

#: A hand-over is a claim by the worker; it is refused while somebody else delivers the outcome.
HAND_OVER: Final = (
    update(outcomes)
    .where(
        _is_this_one,
        _is_accepted,
        _asked_last,
        outcomes.c.claimed_by.is_(None)
        | (outcomes.c.due_at <= bindparam("now", type_=Instant))
        # The attempt that took it before this one has ended, and not with it.
        | (
            (outcomes.c.claimed_by == outcomes.c.delivered_inline_to)
            & (outcomes.c.unconfirmed_started_at < bindparam("started_at", type_=Instant))
        ),
    )
    .values(
        tries=outcomes.c.tries + 1,
        delivered_inline_to=bindparam("worker"),
        delivered_inline_attempt=_of_the_callback("attempt"),
        claimed_by=bindparam("worker"),
        due_at=bindparam("until", type_=Instant),
        unconfirmed_attempt=_of_the_callback("attempt"),
        unconfirmed_started_at=bindparam("started_at", type_=Instant),
    )
    .returning(outcomes.c.delivered_inline_attempt)
)

REDELIVER: Final = (
    update(outcomes)
    .where(_is_this_one, outcomes.c.state == State.PARKED.value)
    .values(
        state=State.ACCEPTED.value,
        due_at=bindparam("now", type_=Instant),
        claimed_by=None,
        last_error=None,
        verdict_at=None,
        proof=null(),
        unconfirmed_attempt=None,
        unconfirmed_started_at=None,
        not_applied_started_at=None,
    )
)


class SqlDeliveries(SqlPart):
    """`DeliveryQueue` on a SQL database."""

    @writes
    async def claim(
        self, connection: Connection, owner: str, *, limit: int, lease: timedelta
    ) -> Sequence[Callback]:
        now = await self._database.now(connection)
        values = {"now": now, "limit": limit, "until": now + lease, "owner": owner}
        result = await connection.execute(CLAIM, values)
        found = await find_readable(connection, [row.callback_id for row in result])
        return sorted(found.values(), key=_accepted_at)

    @writes
    async def release(self, connection: Connection, owner: str) -> None:
        now = await self._database.now(connection)
        await connection.execute(RELEASE, {"owner": owner, "now": now})

    async def postpone(self, postponements: Sequence[Postponement]) -> None:
        for part in parts(postponements):
            await self._postpone(part)

    @writes
    async def _postpone(
        self, connection: Connection, postponements: Sequence[Postponement]
    ) -> None:
        ids = {"ids": [item.callback_id for item in postponements]}
        await connection.execute(UNSETTLED, ids)
        now = await self._database.now(connection)
        values = [
            {
                "id": item.callback_id,
                "tries_": item.tries,
                "due": now + item.wait,
                "why": item.reason,
                "is_not_applied": item.is_not_applied,
            }
            for item in postponements
        ]
        await execute_each(connection, POSTPONE, values)

    @reads
    async def next_due(self, connection: Connection) -> timedelta | None:
        due_at: datetime | None = await connection.scalar(NEXT_DUE)
        if due_at is None:
            return None
        return max(timedelta(0), due_at - await self._database.now(connection))

    @writes
    async def deliver_inline(
        self,
        connection: Connection,
        callback_id: CallbackId,
        *,
        worker: str,
        attempt_started_at: datetime,
        lease: timedelta,
    ) -> bool:
        await lock(connection, [callback_id])
        now = await self._database.now(connection)
        values = {
            "id": callback_id,
            "now": now,
            "until": now + lease,
            "worker": worker,
            "started_at": attempt_started_at,
        }
        attempt = await connection.scalar(HAND_OVER, values)
        if attempt is None:
            return False
        facts: dict[str, object] = {"worker": worker, "attempt": attempt}
        await record(connection, [Event(callback_id, now, EventKind.DELIVERED_INLINE, facts)])
        return True

    async def redeliver(self, callback_id: CallbackId) -> bool:
        is_due = await self._redeliver(callback_id)
        if is_due:
            self._database.announce_accepted()
        return is_due

    @writes
    async def _redeliver(self, connection: Connection, callback_id: CallbackId) -> bool:
        await lock(connection, [callback_id])
        now = await self._database.now(connection)
        result = await connection.execute(REDELIVER, {"id": callback_id, "now": now})
        if result.rowcount == 0:
            return False
        await record(connection, [Event(callback_id, now, EventKind.REDELIVERED, {})])
        return True


def _accepted_at(callback: Callback) -> datetime:
    assert callback.accepted is not None, "what was claimed has an outcome"
    return callback.accepted.accepted_at
