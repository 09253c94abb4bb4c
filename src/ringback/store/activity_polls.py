"""Poll open activities, in a SQL database."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from sqlalchemy import ColumnElement, Integer, Text, and_, bindparam, case, select, update

from ringback.domain.callback import State
from ringback.domain.ids import CallbackId
from ringback.domain.liveness import PollResult, apply_poll_result
from ringback.ports.activity_polls import MAX_POLLED_AT_ONCE, PollClaim
from ringback.store.bulk_params import any_of
from ringback.store.database import Connection, SqlPart, writes
from ringback.store.due_times import NEVER
from ringback.store.queries import HAS_OUTCOME, IS_OPEN, find_readable, parts
from ringback.store.tables import Instant, callbacks
from ringback.store.tracked_callbacks import (
    LEARNED_COLUMNS,
    lock_tracked,
    save_changes,
    update_columns,
)

_ROWS_PER_RUN: Final = 16
"""A claim reads this many due callbacks per run; where runs have more, it claims fewer runs."""

_WINDOWS: Final = 8
"""Maximum number of times that a claim reads on because some of what is due is answered."""

_Run: TypeAlias = tuple[str, str, str]

_now: ColumnElement[object] = bindparam("now", type_=Instant)

_is_wanted: ColumnElement[bool] = any_of(callbacks.c.id, "ids")

_is_unclaimed: ColumnElement[bool] = callbacks.c.poll_held_until.is_(None) | (
    callbacks.c.poll_held_until <= _now
)

_due_first = (callbacks.c.poll_due_at, callbacks.c.id)

#: Callbacks that are due and that nobody else has claimed, with their runs and whether they are
#: answered; locked until the commit.
DUE_POLLS: Final = (
    select(
        callbacks.c.id,
        callbacks.c.namespace,
        callbacks.c.workflow_id,
        callbacks.c.run_id,
        HAS_OUTCOME.label("is_answered"),
    )
    .where(callbacks.c.closed_at.is_(None), callbacks.c.poll_due_at <= _now, _is_unclaimed)
    .order_by(*_due_first)
    .limit(bindparam("window", type_=Integer))
    .with_for_update(of=callbacks, key_share=True, skip_locked=True)
)

RUNS_AT_ONCE: Final = 8
"""Number of runs whose callbacks `OF_RUNS` finds."""

_run_ids = [bindparam(f"run_id_{place}", type_=Text) for place in range(RUNS_AT_ONCE)]

_place = case(
    *(
        (
            and_(
                callbacks.c.run_id == run_id,
                callbacks.c.workflow_id == bindparam(f"workflow_id_{place}"),
                callbacks.c.namespace == bindparam(f"namespace_{place}"),
            ),
            place,
        )
        for place, run_id in enumerate(_run_ids)
    )
)

#: The open callbacks of some runs, due or not, run by run and the longest due first.
OF_RUNS: Final = (
    select(callbacks.c.id, _place.label("place"))
    # Not by the workflow: its earlier runs may have thousands of callbacks that have ended.
    .where(callbacks.c.run_id.in_(_run_ids), _place.is_not(None), IS_OPEN, _is_unclaimed)
    .order_by(_place, *_due_first)
    .limit(bindparam("max_callbacks", type_=Integer))
    .with_for_update(of=callbacks, key_share=True, skip_locked=True)
)

#: An answered callback needs no poll: a claim never reads it again.
_PASS_OVER: Final = (
    update(callbacks).where(_is_wanted).values(poll_due_at=bindparam("never", type_=Instant))
)

_CLAIM: Final = (
    update(callbacks)
    .where(_is_wanted)
    .values(
        poll_due_at=bindparam("until", type_=Instant),
        poll_held_until=bindparam("until", type_=Instant),
    )
)

_SAVE_POLL_RESULT: Final = update_columns(
    *LEARNED_COLUMNS, "attempt_timeout_at", "heartbeat_timeout", "poll_held_until"
)


class SqlActivityPolls(SqlPart):
    """The polls of `ActivityPollStore` on a SQL database."""

    @writes
    async def claim_polls(
        self,
        connection: Connection,
        *,
        limit: int,
        lease: timedelta,
        max_callbacks: int = MAX_POLLED_AT_ONCE,
    ) -> PollClaim:
        now = await self._database.now(connection)
        window = min(limit * _ROWS_PER_RUN, max_callbacks)
        due, is_whole = await _due_runs(connection, now=now, window=window)
        held, are_all = await _of_runs(
            connection, due[:limit], now=now, max_callbacks=max_callbacks
        )
        for part in parts(held):
            claim = {"ids": part, "until": now + lease}
            await connection.execute(_CLAIM, claim)
        found = await find_readable(connection, held)
        # One that was answered while this began is not open any more.
        open_ones = [one for id_ in held if (one := found.get(id_)) and one.state is State.OPEN]
        return PollClaim(open_ones, is_full=len(due) >= limit or not is_whole or not are_all)

    async def save_poll_results(self, poll_results: Sequence[PollResult]) -> None:
        for part in parts(poll_results):
            await self._save_poll_results(part)

    @writes
    async def _save_poll_results(
        self, connection: Connection, poll_results: Sequence[PollResult]
    ) -> None:
        before = await lock_tracked(connection, [one.callback_id for one in poll_results])
        now = await self._database.now(connection)
        after = dict(before)
        for one in poll_results:
            if one.callback_id in after:
                after[one.callback_id] = apply_poll_result(after[one.callback_id], one, now)
        await save_changes(connection, _SAVE_POLL_RESULT, before=before, after=after)


async def _due_runs(
    connection: Connection, *, now: datetime, window: int
) -> tuple[list[_Run], bool]:
    """Return the runs of what is due, the longest due first, and whether that is all of them.

    What is answered meanwhile, and not delivered yet, is never due again: while Temporal is away
    that may be most of all.
    """
    for _ in range(_WINDOWS):
        values = {"now": now, "window": window}
        due = list(await connection.execute(DUE_POLLS, values))
        answered = [CallbackId(row.id) for row in due if row.is_answered]
        for part in parts(answered):
            passing = {"ids": part, "never": NEVER}
            await connection.execute(_PASS_OVER, passing)
        is_whole = len(due) < window
        if is_whole or not answered:
            break
    open_ones = (row for row in due if not row.is_answered)
    runs = dict.fromkeys((row.namespace, row.workflow_id, row.run_id) for row in open_ones)
    return list(runs), is_whole


async def _of_runs(
    connection: Connection, runs: Sequence[_Run], *, now: datetime, max_callbacks: int
) -> tuple[list[CallbackId], bool]:
    """Return the open callbacks of whole runs, and whether that is all of them.

    The first run has some in any case.
    """
    held: list[CallbackId] = []
    is_over = False
    for some in parts(runs, RUNS_AT_ONCE):
        # One more than there may be shows that the last run is not whole.
        values = {**_names(some), "now": now, "max_callbacks": max_callbacks - len(held) + 1}
        result = await connection.execute(OF_RUNS, values)
        found = [(row.place, CallbackId(row.id)) for row in result]
        is_over = len(held) + len(found) > max_callbacks
        last = found[-1][0] if is_over else None
        whole = [one for one in found if one[0] != last]
        if not held and not whole:
            whole = found[:max_callbacks]
        held += [id_ for _, id_ in sorted(whole)]
        if is_over:
            break
    return held, not is_over


def _names(runs: Sequence[_Run]) -> dict[str, str]:
    """Return what `OF_RUNS` asks for; where there are few runs, the last one again and again."""
    padding = [runs[-1]] * (RUNS_AT_ONCE - len(runs))
    return {
        f"{name}_{place}": value
        for place, run in enumerate([*runs, *padding])
        for name, value in zip(("namespace", "workflow_id", "run_id"), run, strict=True)
    }
