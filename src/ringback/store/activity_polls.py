"""Keeping callbacks up to date and their activities alive, on a SQL database."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from sqlalchemy import Executable

from ringback.domain.callback import Callback, State
from ringback.domain.ids import CallbackId
from ringback.ports.activity_polls import (
    MAX_POLLED_AT_ONCE,
    HeartbeatReceipt,
    PollClaim,
    PollResult,
    ReceivedHeartbeat,
    SentHeartbeat,
)
from ringback.store import mapping
from ringback.store.care import PollState, TrackedCallback, beat, receive_heartbeats, see
from ringback.store.connection import Connection
from ringback.store.database import Database
from ringback.store.events import record
from ringback.store.queries import execute_each, find_readable, lock, parts
from ringback.store.statements import activity_polls as statements
from ringback.store.transactions import reads, writes
from ringback.store.unreadable import AnyRow, read_rows

_ROWS_PER_RUN: Final = 16
"""For so many due callbacks of each run there is room; where runs have more, fewer are claimed."""

_WINDOWS: Final = 8
"""So many times at most a claim looks further where some of what it finds due is answered."""

_NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)

_Run: TypeAlias = tuple[str, str, str]


class SqlActivityPolls:
    """`ActivityPollStore` on a SQL database."""

    def __init__(self, database: Database) -> None:
        """Keep everything in `database`, whose schema is the newest."""
        self._database = database

    @writes
    async def claim_polls(
        self,
        connection: Connection,
        *,
        limit: int,
        lease: timedelta,
        most: int = MAX_POLLED_AT_ONCE,
    ) -> PollClaim:
        """See `ActivityPollStore.claim_polls`."""
        now = await self._database.now(connection)
        window = min(limit * _ROWS_PER_RUN, most)
        due, is_whole = await _due_runs(connection, now=now, window=window)
        held, are_all = await _of_runs(connection, due[:limit], now=now, most=most)
        for part in parts(held):
            claim = {"ids": part, "until": now + lease}
            await connection.execute(statements.HOLD_LOOKS, claim)
        found = await find_readable(connection, held)
        # One that was answered while this began is not open any more.
        open_ones = [one for id_ in held if (one := found.get(id_)) and one.state is State.OPEN]
        return PollClaim(open_ones, is_full=len(due) >= limit or not is_whole or not are_all)

    async def save_poll_results(self, poll_results: Sequence[PollResult]) -> None:
        """See `ActivityPollStore.save_poll_results`."""
        for part in parts(poll_results):
            await self._keep_sightings(part)

    @writes
    async def _keep_sightings(
        self, connection: Connection, poll_results: Sequence[PollResult]
    ) -> None:
        before = await _locked(connection, [one.callback_id for one in poll_results])
        now = await self._database.now(connection)
        after = dict(before)
        for one in poll_results:
            if one.callback_id in after:
                after[one.callback_id] = see(after[one.callback_id], one, now)
        await _keep(connection, statements.SEEN, _changed(before, after))

    @writes
    async def receive_heartbeats(
        self, connection: Connection, notes: Sequence[ReceivedHeartbeat], *, lease: timedelta
    ) -> Sequence[HeartbeatReceipt]:
        """See `ActivityPollStore.receive_heartbeats`."""
        before = await _locked(connection, [one.callback_id for one in notes])
        now = await self._database.now(connection)
        after, noted = dict(before), []
        for one in notes:
            told = HeartbeatReceipt(None, is_due=False)
            if one.callback_id in after:
                tracked, told = receive_heartbeats(after[one.callback_id], one, now, lease=lease)
                after[one.callback_id] = tracked
            noted.append(told)
        await _keep(connection, statements.NOTED, _changed(before, after))
        return noted

    @writes
    async def claim_heartbeats(
        self, connection: Connection, *, limit: int, lease: timedelta
    ) -> Sequence[Callback]:
        """See `ActivityPollStore.claim_heartbeats`."""
        now = await self._database.now(connection)
        held = await _held(connection, statements.BEATS, {"now": now, "limit": limit})
        claim = {"ids": held, "until": now + lease}
        await connection.execute(statements.HOLD_BEATS, claim)
        found = await find_readable(connection, held)
        return [found[id_] for id_ in held if id_ in found]

    @writes
    async def save_sent_heartbeats(
        self, connection: Connection, beats: Sequence[SentHeartbeat]
    ) -> None:
        """See `ActivityPollStore.save_sent_heartbeats`."""
        before = await _locked(connection, [one.callback_id for one in beats])
        now = await self._database.now(connection)
        after = dict(before)
        for one in beats:
            if one.callback_id in after:
                after[one.callback_id] = beat(after[one.callback_id], one, now)
        await _keep(connection, statements.BEATEN, _changed(before, after))

    @writes
    async def postpone_heartbeats(
        self, connection: Connection, callback_ids: Sequence[CallbackId], wait: timedelta | None
    ) -> None:
        """See `ActivityPollStore.postpone_heartbeats`."""
        await lock(connection, callback_ids)
        now = await self._database.now(connection)
        if wait is None:
            await connection.execute(statements.GIVE_UP, {"ids": callback_ids, "now": now})
        else:
            await connection.execute(
                statements.POSTPONE, {"ids": callback_ids, "until": now + wait}
            )

    @reads
    async def next_heartbeat(self, connection: Connection) -> timedelta | None:
        """See `ActivityPollStore.next_heartbeat`."""
        due_at: datetime | None = await connection.scalar(statements.NEXT_BEAT)
        if due_at is None:
            return None
        return max(timedelta(0), due_at - await self._database.now(connection))


async def _held(
    connection: Connection, statement: Executable, values: Mapping[str, object]
) -> list[CallbackId]:
    """Return what nobody else claims until the commit, in the order of `statement`."""
    return [CallbackId(row.id) for row in await connection.execute(statement, values)]


async def _due_runs(
    connection: Connection, *, now: datetime, window: int
) -> tuple[list[_Run], bool]:
    """Return the runs of what is due, the longest due first, and whether that is all of them.

    What is answered meanwhile, and not delivered yet, is never due again: while Temporal is away
    that may be most of all.
    """
    for _ in range(_WINDOWS):
        values = {"now": now, "window": window}
        due = list(await connection.execute(statements.LOOKS, values))
        answered = [CallbackId(row.id) for row in due if row.is_answered]
        for part in parts(answered):
            passing = {"ids": part, "never": _NEVER}
            await connection.execute(statements.PASS_OVER, passing)
        is_whole = len(due) < window
        if is_whole or not answered:
            break
    open_ones = (row for row in due if not row.is_answered)
    runs = dict.fromkeys((row.namespace, row.workflow_id, row.run_id) for row in open_ones)
    return list(runs), is_whole


async def _of_runs(
    connection: Connection, runs: Sequence[_Run], *, now: datetime, most: int
) -> tuple[list[CallbackId], bool]:
    """Return the open callbacks of whole runs, `most` at most, and whether that is all of them.

    The first run has some in any case.
    """
    held: list[CallbackId] = []
    is_over = False
    for some in parts(runs, statements.RUNS_AT_ONCE):
        # One more than there may be shows that the last run is not whole.
        values = {**_names(some), "now": now, "most": most - len(held) + 1}
        result = await connection.execute(statements.OF_RUNS, values)
        found = [(row.place, CallbackId(row.id)) for row in result]
        is_over = len(held) + len(found) > most
        last = found[-1][0] if is_over else None
        whole = [one for one in found if one[0] != last]
        if not held and not whole:
            whole = found[:most]
        held += [id_ for _, id_ in sorted(whole)]
        if is_over:
            break
    return held, not is_over


def _names(runs: Sequence[_Run]) -> dict[str, str]:
    """Return what `OF_RUNS` asks for; where there are few runs, the last one again and again."""
    padding = [runs[-1]] * (statements.RUNS_AT_ONCE - len(runs))
    return {
        f"{name}_{place}": value
        for place, run in enumerate([*runs, *padding])
        for name, value in zip(("namespace", "workflow_id", "run_id"), run, strict=True)
    }


async def _locked(
    connection: Connection, ids: Iterable[CallbackId]
) -> dict[CallbackId, TrackedCallback]:
    """Return those of the callbacks that exist, and whose rows can be read.

    Nobody else decides on them until the commit.
    """
    locked: list[TrackedCallback] = []
    for part in parts(await lock(connection, ids)):
        result = await connection.execute(statements.KEPT, {"ids": part})
        readable, _ = read_rows(result, _to_kept, key="id")
        locked += readable
    return {tracked.callback.id: tracked for tracked in locked}


def _changed(
    before: Mapping[CallbackId, TrackedCallback], after: Mapping[CallbackId, TrackedCallback]
) -> Sequence[TrackedCallback]:
    return [tracked for id_, tracked in sorted(after.items()) if tracked is not before[id_]]


async def _keep(
    connection: Connection, statement: Executable, changed: Sequence[TrackedCallback]
) -> None:
    await execute_each(connection, statement, [_from_kept(tracked) for tracked in changed])
    await record(connection, [event for tracked in changed for event in tracked.happened])


def _from_kept(tracked: TrackedCallback) -> dict[str, object]:
    """Return what `SEEN`, `BEATEN` and `NOTED` write, each some of it."""
    callback, care, heartbeat_state = (
        tracked.callback,
        tracked.care,
        tracked.callback.heartbeat_state,
    )
    return {
        **mapping.from_deadline(callback),
        "cancel_requested_at_": callback.cancel_requested_at,
        "paused_at_": callback.paused_at,
        "heartbeat_timeout_": heartbeat_state.timeout,
        "details_": heartbeat_state.details,
        "heartbeat_received_at_": heartbeat_state.heartbeat_received_at,
        "heartbeat_sent_at_": heartbeat_state.heartbeat_sent_at,
        "heartbeat_due_at_": heartbeat_state.heartbeat_due_at,
        "poll_due_at_": care.poll_due_at,
        "poll_held_until_": care.poll_held_until,
        "heartbeat_held_until_": care.heartbeat_held_until,
        "reset_at_": care.reset_at,
    }


def _to_kept(row: AnyRow) -> TrackedCallback:
    care = PollState(row.poll_due_at, row.poll_held_until, row.heartbeat_held_until, row.reset_at)
    return TrackedCallback(mapping.to_callback(row), care)
