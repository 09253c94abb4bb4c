"""Keeping callbacks up to date and their activities alive, on a SQL database."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from sqlalchemy import Executable

from ringback.domain.callback import Callback, State
from ringback.domain.ids import CallbackId
from ringback.ports.keeping import LOOKS_AT_ONCE, Beat, Claim, Note, Noted, Sighting
from ringback.store import rows
from ringback.store.care import Care, Kept, beat, note, see
from ringback.store.connection import Connection
from ringback.store.database import Database
from ringback.store.statements import keeping as statements
from ringback.store.steps import execute_each, find_readable, lock, parts, record
from ringback.store.transactions import reads, writes
from ringback.store.unreadable import AnyRow, read_rows

_ROWS_PER_RUN: Final = 16
"""For so many due callbacks of each run there is room; where runs have more, fewer are claimed."""

_WINDOWS: Final = 8
"""So many times at most a claim looks further where some of what it finds due is answered."""

_NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)

_Run: TypeAlias = tuple[str, str, str]


class SqlKeeping:
    """`Keeping` on a SQL database."""

    def __init__(self, database: Database) -> None:
        """Keep everything in `database`, whose schema is the newest."""
        self._database = database

    @writes
    async def claim_looks(
        self, connection: Connection, *, limit: int, lease: timedelta, most: int = LOOKS_AT_ONCE
    ) -> Claim:
        """See `Keeping.claim_looks`."""
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
        return Claim(open_ones, is_full=len(due) >= limit or not is_whole or not are_all)

    async def keep_sightings(self, sightings: Sequence[Sighting]) -> None:
        """See `Keeping.keep_sightings`."""
        for part in parts(sightings):
            await self._keep_sightings(part)

    @writes
    async def _keep_sightings(self, connection: Connection, sightings: Sequence[Sighting]) -> None:
        before = await _locked(connection, [one.callback_id for one in sightings])
        now = await self._database.now(connection)
        after = dict(before)
        for one in sightings:
            if one.callback_id in after:
                after[one.callback_id] = see(after[one.callback_id], one, now)
        await _keep(connection, statements.SEEN, _changed(before, after))

    @writes
    async def note(
        self, connection: Connection, notes: Sequence[Note], *, lease: timedelta
    ) -> Sequence[Noted]:
        """See `Keeping.note`."""
        before = await _locked(connection, [one.callback_id for one in notes])
        now = await self._database.now(connection)
        after, noted = dict(before), []
        for one in notes:
            told = Noted(None, is_due=False)
            if one.callback_id in after:
                kept, told = note(after[one.callback_id], one, now, lease=lease)
                after[one.callback_id] = kept
            noted.append(told)
        await _keep(connection, statements.NOTED, _changed(before, after))
        return noted

    @writes
    async def claim_beats(
        self, connection: Connection, *, limit: int, lease: timedelta
    ) -> Sequence[Callback]:
        """See `Keeping.claim_beats`."""
        now = await self._database.now(connection)
        held = await _held(connection, statements.BEATS, {"now": now, "limit": limit})
        claim = {"ids": held, "until": now + lease}
        await connection.execute(statements.HOLD_BEATS, claim)
        found = await find_readable(connection, held)
        return [found[id_] for id_ in held if id_ in found]

    @writes
    async def keep_beats(self, connection: Connection, beats: Sequence[Beat]) -> None:
        """See `Keeping.keep_beats`."""
        before = await _locked(connection, [one.callback_id for one in beats])
        now = await self._database.now(connection)
        after = dict(before)
        for one in beats:
            if one.callback_id in after:
                after[one.callback_id] = beat(after[one.callback_id], one, now)
        await _keep(connection, statements.BEATEN, _changed(before, after))

    @writes
    async def postpone_beats(
        self, connection: Connection, callback_ids: Sequence[CallbackId], wait: timedelta | None
    ) -> None:
        """See `Keeping.postpone_beats`."""
        await lock(connection, callback_ids)
        now = await self._database.now(connection)
        if wait is None:
            await connection.execute(statements.GIVE_UP, {"ids": callback_ids, "now": now})
        else:
            await connection.execute(
                statements.POSTPONE, {"ids": callback_ids, "until": now + wait}
            )

    @reads
    async def next_beat(self, connection: Connection) -> timedelta | None:
        """See `Keeping.next_beat`."""
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


async def _locked(connection: Connection, ids: Iterable[CallbackId]) -> dict[CallbackId, Kept]:
    """Return those of the callbacks that exist, and whose rows can be read.

    Nobody else decides on them until the commit.
    """
    locked: list[Kept] = []
    for part in parts(await lock(connection, ids)):
        result = await connection.execute(statements.KEPT, {"ids": part})
        readable, _ = read_rows(result, _to_kept, key="id")
        locked += readable
    return {kept.callback.id: kept for kept in locked}


def _changed(before: Mapping[CallbackId, Kept], after: Mapping[CallbackId, Kept]) -> Sequence[Kept]:
    return [kept for id_, kept in sorted(after.items()) if kept is not before[id_]]


async def _keep(connection: Connection, statement: Executable, changed: Sequence[Kept]) -> None:
    await execute_each(connection, statement, [_from_kept(kept) for kept in changed])
    await record(connection, [event for kept in changed for event in kept.happened])


def _from_kept(kept: Kept) -> dict[str, object]:
    """Return what `SEEN`, `BEATEN` and `NOTED` write, each some of it."""
    callback, care, vitals = kept.callback, kept.care, kept.callback.vitals
    return {
        **rows.from_deadline(callback),
        "cancel_requested_at_": callback.cancel_requested_at,
        "paused_at_": callback.paused_at,
        "heartbeat_timeout_": vitals.timeout,
        "details_": vitals.details,
        "noted_at_": vitals.noted_at,
        "beaten_at_": vitals.beaten_at,
        "beat_due_at_": vitals.beat_due_at,
        "look_due_at_": care.look_due_at,
        "look_held_until_": care.look_held_until,
        "beat_held_until_": care.beat_held_until,
        "reset_at_": care.reset_at,
    }


def _to_kept(row: AnyRow) -> Kept:
    care = Care(row.look_due_at, row.look_held_until, row.beat_held_until, row.reset_at)
    return Kept(rows.to_callback(row), care)
