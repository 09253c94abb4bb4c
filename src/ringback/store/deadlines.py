"""Deadlines: extend them, accept default answers that are due, and claim polls of senders."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Integer,
    bindparam,
    case,
    func,
    select,
    update,
)

from ringback.domain.audit import AuditEntry, AuditKind, key_fact
from ringback.domain.callback import Callback, State
from ringback.domain.deadlines import next_poll_due_at
from ringback.domain.durations import format_instant
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.polling import PollChange, apply_poll_change
from ringback.ports.deadlines import Extension
from ringback.ports.store import Answer
from ringback.store import mapping
from ringback.store.answers import accept
from ringback.store.assignments import change_due_times
from ringback.store.bulk_params import Instant, any_of
from ringback.store.database import Connection, SqlPart, reads, writes
from ringback.store.queries import (
    CALLBACKS,
    IS_OPEN,
    execute_each,
    find,
    find_readable,
    lock,
    parts,
    record,
    time_until,
)
from ringback.store.tables import callbacks
from ringback.store.tracked import apply_all, update_columns
from ringback.store.unreadable import read_rows

#: The earlier of the two deadlines; `NULL` if there is none.
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
        sender_poll_due_at=bindparam("sender_poll_due_at_"),
        sender_poll_is_over=bindparam("sender_poll_is_over_"),
    )
)

#: An answer and the end of the activity clear `default_due_at`.
_awaits_default: ColumnElement[bool] = callbacks.c.closed_at.is_(
    None
) & callbacks.c.default_due_at.is_not(None)

DUE_DEFAULTS: Final = (
    CALLBACKS
    .where(_awaits_default, callbacks.c.default_due_at <= bindparam("now", type_=Instant))
    .order_by(callbacks.c.default_due_at, callbacks.c.id)
    .limit(bindparam("limit"))
)

#: Postpone due default answers; the deadlines stay.
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
"""How long the default answer of an unreadable row is postponed."""


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
        # A poll follows at the new deadline, even if the one at the old deadline was the last.
        due_at = next_poll_due_at(now, callback.options, now + within)
        poll = replace(callback.sender_poll, due_at=due_at, is_over=False)
        later = replace(callback, own_deadline_at=now + within, sender_poll=poll)
        await execute_each(connection, SET_DEADLINE, [mapping.from_deadline(later)])
        await change_due_times(connection, [later], now)
        facts: dict[str, object] = {"until": format_instant(now + within), **key_fact(by)}
        await record(connection, [AuditEntry(callback_id, now, AuditKind.EXTENDED, facts)])
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
        await connection.execute(POSTPONE, {"ids": callback_ids, "now": now, "until": now + wait})

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
            result = await connection.execute(ARE_OVERDUE, {"ids": part, "now": now})
            overdue.update(CallbackId(row.id) for row in result)
        return frozenset(overdue)

    @reads
    async def next_default(self, connection: Connection) -> timedelta | None:
        return await time_until(self._database, connection, NEXT_DEFAULT)


def _is_due(callback: Callback, now: datetime) -> bool:
    due_at = callback.default_due_at
    return callback.state is State.OPEN and due_at is not None and due_at <= now


#: Due polls that no other gateway has claimed; locked until the commit.
DUE_SENDER_POLLS: Final = (
    select(callbacks.c.id)
    .where(
        IS_OPEN,
        callbacks.c.sender_poll_due_at <= bindparam("now", type_=Instant),
        callbacks.c.submitted_at.is_not(None),
    )
    .order_by(callbacks.c.sender_poll_due_at)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(of=callbacks, key_share=True, skip_locked=True)
)

_CLAIM: Final = (
    update(callbacks)
    .where(any_of(callbacks.c.id, "ids"))
    .values(sender_poll_due_at=bindparam("until", type_=Instant))
)

_SAVE: Final = update_columns(
    "sender_poll_due_at", "sender_poll_requested_at", "sender_poll_is_over", "default_due_at"
)


class SqlSenderPolls(SqlPart):
    """`SenderPollStore` on a SQL database."""

    @writes
    async def claim_sender_polls(
        self, connection: Connection, *, limit: int, lease: timedelta
    ) -> Sequence[Callback]:
        now = await self._database.now(connection)
        values = {"now": now, "limit": limit}
        due = [CallbackId(row.id) for row in await connection.execute(DUE_SENDER_POLLS, values)]
        if not due:
            return []
        await connection.execute(_CLAIM, {"ids": due, "until": now + lease})
        found = await find_readable(connection, due)
        # One may have been answered since this transaction began.
        return [one for id_ in due if (one := found.get(id_)) and one.state is State.OPEN]

    async def save_sender_polls(self, changes: Sequence[PollChange]) -> None:
        for part in parts(changes):
            await self._save_sender_polls(part)

    @writes
    async def _save_sender_polls(
        self, connection: Connection, changes: Sequence[PollChange]
    ) -> None:
        await apply_all(
            connection, _SAVE, changes, apply=apply_poll_change, database=self._database
        )
