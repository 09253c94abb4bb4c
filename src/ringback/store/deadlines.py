"""Deadlines and default answers, in a SQL database."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, bindparam, case, func, select, update

from ringback.domain.callback import Callback, State
from ringback.domain.durations import format_instant
from ringback.domain.event import Event, EventKind, key_fact
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.ports.deadlines import Extension
from ringback.ports.store import Answer
from ringback.store import mapping
from ringback.store.answers import accept
from ringback.store.bulk_params import any_of
from ringback.store.database import Connection, SqlPart, reads, writes
from ringback.store.events import record
from ringback.store.queries import (
    CALLBACKS,
    IS_OPEN,
    execute_each,
    find,
    find_readable,
    lock,
    parts,
)
from ringback.store.tables import Instant, callbacks
from ringback.store.unreadable import read_rows

#: The earlier of the two, where there are two.
DEADLINE_AT: Final[ColumnElement[object]] = case(
    (callbacks.c.attempt_timeout_at.is_(None), callbacks.c.own_deadline_at),
    (callbacks.c.own_deadline_at < callbacks.c.attempt_timeout_at, callbacks.c.own_deadline_at),
    else_=callbacks.c.attempt_timeout_at,
)

HAS_PASSED: Final[ColumnElement[bool]] = bindparam("now", type_=Instant) >= DEADLINE_AT

SET_DEADLINE: Final = (
    update(callbacks)
    .where(callbacks.c.id == bindparam("callback_id"), IS_OPEN)
    .values(
        attempt_timeout_at=bindparam("attempt_timeout_at_"),
        own_deadline_at=bindparam("own_deadline_at_"),
        default_due_at=bindparam("default_due_at_"),
    )
)

#: Only what is open has a due time: an answer and an end empty it.
_awaits_default: ColumnElement[bool] = callbacks.c.closed_at.is_(
    None
) & callbacks.c.default_due_at.is_not(None)

DUE_DEFAULTS: Final = (
    CALLBACKS
    .where(_awaits_default, callbacks.c.default_due_at <= bindparam("now", type_=Instant))
    .order_by(callbacks.c.default_due_at, callbacks.c.id)
    .limit(bindparam("limit"))
)

#: What is due becomes due later; what the deadline says stays as it is.
POSTPONE: Final = (
    update(callbacks)
    .where(
        any_of(callbacks.c.id, "ids"),
        _awaits_default,
        callbacks.c.default_due_at <= bindparam("now", type_=Instant),
    )
    .values(default_due_at=bindparam("until", type_=Instant))
)

NEXT_DEFAULT: Final = select(func.min(callbacks.c.default_due_at)).where(_awaits_default)

ARE_OVERDUE: Final = select(callbacks.c.id).where(any_of(callbacks.c.id, "ids"), HAS_PASSED)


UNREADABLE_REST: Final = timedelta(minutes=1)
"""How long a callback whose row cannot be read is not due."""


class SqlDeadlines(SqlPart):
    """`Deadlines` on a SQL database."""

    @writes
    async def extend(
        self,
        connection: Connection,
        callback_id: CallbackId,
        within: timedelta,
        *,
        by: str | None = None,
    ) -> Extension:
        await lock(connection, [callback_id])
        now = await self._database.now(connection)
        callback = (await find(connection, [callback_id])).get(callback_id)
        if callback is None or callback.state is not State.OPEN or callback.own_deadline_at is None:
            return Extension(callback, was_extended=False)
        later = replace(callback, own_deadline_at=now + within)
        await execute_each(connection, SET_DEADLINE, [mapping.from_deadline(later)])
        facts: dict[str, object] = {"until": format_instant(now + within), **key_fact(by)}
        await record(connection, [Event(callback_id, now, EventKind.EXTENDED, facts)])
        return Extension(later, was_extended=True)

    async def due_defaults(self, *, limit: int) -> Sequence[Callback]:
        due, unreadable = await self._due_defaults(limit)
        if unreadable:
            await self.postpone_defaults(unreadable, UNREADABLE_REST)
        return due

    @reads
    async def _due_defaults(
        self, connection: Connection, limit: int
    ) -> tuple[Sequence[Callback], Sequence[CallbackId]]:
        now = await self._database.now(connection)
        result = await connection.execute(DUE_DEFAULTS, {"now": now, "limit": limit})
        due, unreadable = read_rows(result, mapping.to_callback, key="id")
        return due, [CallbackId(row.id) for row in unreadable]

    @writes
    async def postpone_defaults(
        self, connection: Connection, callback_ids: Sequence[CallbackId], wait: timedelta
    ) -> None:
        await lock(connection, callback_ids)
        now = await self._database.now(connection)
        values = {"ids": callback_ids, "now": now, "until": now + wait}
        await connection.execute(POSTPONE, values)

    async def accept_defaults(
        self, callback_ids: Sequence[CallbackId], new_outcome_id: Callable[[], OutcomeId]
    ) -> Sequence[CallbackId]:
        taken = await self._accept_defaults(callback_ids, new_outcome_id)
        if taken:
            self._database.announce_accepted()
        return taken

    @writes
    async def _accept_defaults(
        self,
        connection: Connection,
        callback_ids: Sequence[CallbackId],
        new_outcome_id: Callable[[], OutcomeId],
    ) -> Sequence[CallbackId]:
        await lock(connection, callback_ids)
        now = await self._database.now(connection)
        found = await find_readable(connection, callback_ids)
        answers = [
            Answer(callback.id, new_outcome_id(), callback.default_answer)
            for callback in map(found.get, dict.fromkeys(callback_ids))
            if callback is not None and _is_due(callback, now)
        ]
        accepted = await accept(self._database, connection, answers, is_default=True)
        return [answer.callback_id for answer in answers if answer.id in accepted]

    @reads
    async def are_overdue(
        self, connection: Connection, callback_ids: Sequence[CallbackId]
    ) -> frozenset[CallbackId]:
        now = await self._database.now(connection)
        overdue: set[CallbackId] = set()
        for part in parts(callback_ids):
            values = {"ids": part, "now": now}
            result = await connection.execute(ARE_OVERDUE, values)
            overdue.update(CallbackId(row.id) for row in result)
        return frozenset(overdue)

    @reads
    async def next_default(self, connection: Connection) -> timedelta | None:
        due_at: datetime | None = await connection.scalar(NEXT_DEFAULT)
        if due_at is None:
            return None
        return max(timedelta(0), due_at - await self._database.now(connection))


def _is_due(callback: Callback, now: datetime) -> bool:
    due_at = callback.default_due_at
    return callback.state is State.OPEN and due_at is not None and due_at <= now
