"""The queue of outcomes that wait for their delivery to Temporal."""

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

from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.ids import CallbackId
from ringback.ports.deliveries import MOST_CLAIMED_BYTES, Postponement
from ringback.store.bulk_params import Instant, any_of
from ringback.store.database import Connection, SqlPart, reads, writes
from ringback.store.queries import execute_each, find_readable, lock, parts, record, time_until
from ringback.store.tables import callbacks, outcomes

#: A literal, not a parameter: only then does the planner use the partial index `ix_outcomes_due`.
_is_accepted: ColumnElement[bool] = outcomes.c.state == literal_column(f"'{State.ACCEPTED.value}'")
_is_this_one: ColumnElement[bool] = outcomes.c.callback_id == bindparam("id")
#: No other try has begun since.
_is_this_try: ColumnElement[bool] = outcomes.c.tries == bindparam("tries_")


def _of_the_callback(name: str) -> ScalarSelect[object]:
    chosen = select(callbacks.c[name]).where(callbacks.c.id == outcomes.c.callback_id)
    return chosen.correlate(outcomes).scalar_subquery()


#: The unsettled outcomes of these callbacks and their tries; locked until the commit.
UNSETTLED: Final = (
    select(outcomes.c.callback_id, outcomes.c.tries)
    .where(any_of(outcomes.c.callback_id, "ids"), _is_accepted)
    .order_by(outcomes.c.callback_id)
    .with_for_update()
)

_is_said_not_applied: ColumnElement[bool] = bindparam(
    "is_not_applied", type_=outcomes.c.is_default.type
)
_is_not_applied: ColumnElement[bool] = (
    _is_said_not_applied & outcomes.c.unconfirmed_started_at.is_not(None)
)


def _if_not_applied(value: ColumnElement[Any], name: str) -> ColumnElement[Any]:
    return case((_is_not_applied, value), else_=outcomes.c[name])


POSTPONE: Final = (
    update(outcomes)
    .where(_is_this_one, _is_accepted, _is_this_try)
    .values(
        due_at=bindparam("due", type_=Instant),
        claimed_by=None,
        last_error=bindparam("why"),
        tries=outcomes.c.tries + case((_is_said_not_applied, 1), else_=0),
        not_applied_started_at=_if_not_applied(
            outcomes.c.unconfirmed_started_at, "not_applied_started_at"
        ),
        unconfirmed_attempt=_if_not_applied(null(), "unconfirmed_attempt"),
        unconfirmed_started_at=_if_not_applied(null(), "unconfirmed_started_at"),
    )
)

#: Due outcomes that no other gateway has claimed; locked until the commit. It is a common table
#: expression: PostgreSQL might run a subquery several times, and choose other rows each time.
_due = (
    select(
        outcomes.c.callback_id,
        outcomes.c.due_at,
        # Neither database reads a large body for its length.
        func.coalesce(func.length(outcomes.c.body), 0).label("size"),
    )
    .where(_is_accepted, outcomes.c.due_at <= bindparam("now", type_=Instant))
    .order_by(outcomes.c.due_at, outcomes.c.callback_id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("due")
)

_in_order = func.sum(_due.c.size).over(order_by=(_due.c.due_at, _due.c.callback_id))
_with_bytes_before = select(
    _due.c.callback_id, (_in_order - _due.c.size).label("bytes_before")
).subquery("with_bytes_before")

#: The first of them, whose bodies have not much more than `most_bytes` together.
_first_due = (
    select(_with_bytes_before.c.callback_id)
    .where(_with_bytes_before.c.bytes_before < bindparam("most_bytes"))
    .cte("first_due")
)

#: The first unconfirmed attempt stays; one with which the outcome was not applied does not count.
_is_newly_unconfirmed: ColumnElement[bool] = outcomes.c.unconfirmed_attempt.is_(
    None
) & _of_the_callback("attempt_started_at").is_distinct_from(outcomes.c.not_applied_started_at)

CLAIM: Final = (
    update(outcomes)
    .where(outcomes.c.callback_id == _first_due.c.callback_id)
    .values(
        due_at=bindparam("until", type_=Instant),
        claimed_by=bindparam("owner"),
        tries=outcomes.c.tries + 1,
        unconfirmed_attempt=case(
            (_is_newly_unconfirmed, _of_the_callback("attempt")),
            else_=outcomes.c.unconfirmed_attempt,
        ),
        unconfirmed_started_at=case(
            (_is_newly_unconfirmed, _of_the_callback("attempt_started_at")),
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

_is_latest_attempt: ColumnElement[bool] = _of_the_callback("attempt_started_at") == bindparam(
    "started_at", type_=Instant
)

#: Claim an outcome for the worker that runs the attempt, unless another process delivers it.
DELIVER_INLINE: Final = (
    update(outcomes)
    .where(
        _is_this_one,
        _is_accepted,
        _is_latest_attempt,
        outcomes.c.claimed_by.is_(None)
        | (outcomes.c.due_at <= bindparam("now", type_=Instant))
        # An earlier attempt claimed it inline, and ended without applying it.
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
        self,
        connection: Connection,
        owner: str,
        *,
        limit: int,
        lease: timedelta,
        most_bytes: int = MOST_CLAIMED_BYTES,
    ) -> Sequence[Callback]:
        now = await self._database.now(connection)
        values = {
            "now": now,
            "limit": limit,
            "most_bytes": most_bytes,
            "until": now + lease,
            "owner": owner,
        }
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
        return await time_until(self._database, connection, NEXT_DUE)

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
        attempt = await connection.scalar(DELIVER_INLINE, values)
        if attempt is None:
            return False
        facts: dict[str, object] = {"worker": worker, "attempt": attempt}
        await record(connection, [AuditEntry(callback_id, now, AuditKind.DELIVERED_INLINE, facts)])
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
        await record(connection, [AuditEntry(callback_id, now, AuditKind.REDELIVERED, {})])
        return True


def _accepted_at(callback: Callback) -> datetime:
    assert callback.accepted is not None, "a claimed callback has an outcome"
    return callback.accepted.accepted_at
