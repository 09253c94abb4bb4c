"""Purging: how fast answers are accepted while a gateway deletes a million ended callbacks."""

import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import asyncpg
from pydantic import SecretStr

from benchmarks.bench import Bench
from benchmarks.figures import P99, RATE, Bar, Figures, Measured, Notes
from benchmarks.filling import fill
from benchmarks.postgresql import running_cluster
from benchmarks.questions import Keys, gateway, open_questions
from benchmarks.stores import check_kept, count_rows
from benchmarks.targets import BODY
from benchmarks.temporals import silent_temporal
from benchmarks.wrk import DriveError, Load, drive
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.domain.callback import State
from ringback.domain.ids import OutcomeId
from ringback.domain.outcome import Completed
from ringback.ports.deliveries import Settlement
from ringback.ports.store import Answer, CallbackQuery
from ringback.settings import Settings

WORK: Final = "purging"
TITLE: Final = "Purging while accepting"
OURS: Final = "Ringback, SQLite"
POSTGRESQL: Final = "Ringback, PostgreSQL"
COMPARED: Final = RATE
PLOTTED: Final = ()

KEPT: Final = "all is kept"
PURGED: Final = "1,000,000 are purged"
DELETED: Final = "callbacks deleted"

_ENDED: Final = 1_000_000
_ANSWERS: Final = 12_000
_WARM_UP: Final = 300
_CONNECTIONS: Final = 64
_LONGEST_SECONDS: Final = 60
_KEEP: Final[Mapping[str, str]] = {KEPT: "forever", PURGED: "1d"}

#: 100 days in microseconds.
_LONG_AGO: Final = 100 * 86_400 * 1_000_000

_AGE: Final = f"UPDATE callbacks SET closed_at = closed_at - {_LONG_AGO}"  # noqa: S608 - a number

#: Each copy gets the outcome of the callback that was copied, and an entry of its end.
_OUTCOMES: Final = (
    "INSERT INTO outcomes (callback_id, outcome_id, kind, body, fields, accepted_at, is_default,"
    " state, due_at, tries, after_entry) SELECT c.id, o.outcome_id, o.kind, o.body, o.fields,"
    " o.accepted_at, o.is_default, o.state, o.due_at, o.tries, o.after_entry FROM callbacks c,"
    " (SELECT * FROM outcomes LIMIT 1) o WHERE c.workflow_id LIKE 'filled-%' ORDER BY c.id"
)
_ENDS: Final = (
    "INSERT INTO audit_trail (callback_id, at, kind, facts)"
    " SELECT id, closed_at, 'applied', '{}' FROM callbacks"
    " WHERE workflow_id LIKE 'filled-%' ORDER BY id"
)

_ACCEPTED: Final = "outcomes WHERE state = 'accepted'"

METHOD: Final = """
One `ringback serve` process on a store with 1,000,000 callbacks that ended 100 days ago, each with
an answer of 200 bytes and two entries in its audit trail. The database makes them as copies of one.
Temporal accepts connections and never replies.

- **Rate** is of accepted answers: 12,000 of 200 bytes of JSON on 64 connections by wrk, after a
  warm-up of 300, each to its own open callback. Either all is kept (`RINGBACK_KEEP_ENDED_FOR` is
  `forever`), or the gateway deletes what ended more than a day ago meanwhile.
- **Callbacks deleted** counts those that were deleted during these answers, per second, each with
  its rows in all tables.
- After each run the gateway is killed, and the store must have all answers.
"""


async def measure(bench: Bench) -> Iterable[Measured]:
    """Measure both stores, with and without deleting."""
    notes, keys = Notes(), Keys(bench.new_folder())
    async with running_cluster(bench.new_folder()) as cluster:
        stores = [
            EndedStore(OURS, f"sqlite:///{bench.new_folder() / 'ringback.db'}", keys),
            EndedStore(POSTGRESQL, cluster.url(await cluster.copy()), keys),
        ]
        for store in stores:
            bench.say(f"filling {store.of} with {bench.scaled(_ENDED):,} ended callbacks")
            await store.fill(bench.scaled(_ENDED))
        await bench.interleaved(
            (f"{store.of}, {at}", partial(_run, bench, notes, store, at))
            for store in stores
            for at in _KEEP
        )
    return notes.measured()


def bars(figures: Figures) -> Iterable[Bar]:
    """Return the bars of purging."""
    for of in (OURS, POSTGRESQL):
        pairs = zip(
            figures.values(of, at=PURGED, what=RATE),
            figures.values(of, at=KEPT, what=RATE),
            strict=True,
        )
        kept = [while_purging / without for while_purging, without in pairs]
        yield Bar(f"{of}: of the rate without purging", 0.8, kept)


@dataclass
class EndedStore:
    """A store with many ended callbacks.

    Attributes:
        of: Whose figures these are.
        url: Where it is.
        keys: The link keys of its gateways.
    """

    of: str
    url: str = field(repr=False)
    keys: Keys

    async def fill(self, count: int) -> None:
        """Add `count` callbacks that ended long ago to the empty store."""
        await open_questions(self.url, self.keys, 1)
        await _end_the_only_one(self.url)
        await self._execute([_AGE])
        await fill(self.url, count - 1)
        await self._execute([_OUTCOMES, _ENDS])
        if not self.url.startswith("sqlite"):
            await self._execute(["VACUUM ANALYZE", "CHECKPOINT"])

    async def _execute(self, statements: Sequence[str]) -> None:
        if self.url.startswith("sqlite"):
            with sqlite3.connect(urlsplit(self.url).path) as file:
                for statement in statements:
                    file.execute(statement)
            return
        connection = await asyncpg.connect(self.url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


async def _end_the_only_one(url: str) -> None:
    async with opened_store(Settings(store=SecretStr(url)), SystemClock()) as store:
        (one,) = await store.page(
            CallbackQuery(states=frozenset({State.OPEN})), after=None, limit=1
        )
        await store.accept([Answer(one.id, OutcomeId("oc_bench"), Completed(BODY))])
        await store.settle([Settlement(one.id, 0, State.APPLIED, {})])


async def _run(  # noqa: PLR0917 - bound in order, one after the other
    bench: Bench, notes: Notes, store: EndedStore, at: str
) -> None:
    paths = await open_questions(store.url, store.keys, bench.scaled(_ANSWERS) + _WARM_UP)
    held = await count_rows(store.url, _ACCEPTED)
    note = partial(notes.add, of=store.of, at=at)
    settings = {"RINGBACK_KEEP_ENDED_FOR": _KEEP[at]}
    with silent_temporal() as temporal:
        async with gateway(
            store.url, store.keys, temporal=temporal, folder=bench.new_folder(), more=settings
        ) as (server, url):
            await _answered(url, paths[:_WARM_UP])
            before, began = await _ended_in(store.url), time.perf_counter()
            load = await _answered(url, paths[_WARM_UP:])
            left, took = await _ended_in(store.url), time.perf_counter() - began
            await server.kill()
    note(load.rate, "/s", what=RATE)
    note(load.p99, "ms", what=P99)
    note((before - left) / took, "/s", what=DELETED)
    if at == PURGED and left in {0, before}:
        msg = f"{left} ended callbacks are left of {before}: nothing was deleted all the time"
        raise DriveError(msg)
    await check_kept(store.url, held + len(paths), table=_ACCEPTED)


async def _ended_in(url: str) -> int:
    return await count_rows(url, "callbacks WHERE closed_at IS NOT NULL")


async def _answered(url: str, paths: Sequence[str]) -> Load:
    """Answer all of these.

    Raises:
        DriveError: An answer was not taken.
    """
    load = await drive(url, paths, body=BODY, connections=_CONNECTIONS, seconds=_LONGEST_SECONDS)
    if load.good != len(paths):
        msg = f"of {len(paths)} answers {load.good} were taken"
        raise DriveError(msg)
    return load
