"""Rows: what ten million ended callbacks cost on PostgreSQL, without partitions.

It takes longer than a whole run may: `make bench ARGS="--only rows"`. It needs 30 GB of disk.
`BENCH_ROWS=1000000` in the environment makes fewer.
"""

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Final

import asyncpg
from pydantic import SecretStr

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figures, Measured, Notes
from benchmarks.parts.purging import EndedStore
from benchmarks.postgresql import running_cluster
from benchmarks.questions import Keys, open_questions
from benchmarks.targets import BODY
from benchmarks.wrk import DriveError
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock, outcome_ids
from ringback.domain.callback import State
from ringback.domain.outcome import Completed
from ringback.ports.retention import RecordKind
from ringback.ports.store import Answer, CallbackQuery
from ringback.settings import Settings
from ringback.store.sql_store import SqlStore

WORK: Final = "rows"
TITLE: Final = "Many callbacks"
OURS: Final = "Ringback, PostgreSQL"
COMPARED: Final = "accept"
PLOTTED: Final = ()

ACCEPT: Final = "accept"
CLAIM: Final = "claim"
LIST: Final = "first page"
LIST_OPEN: Final = "first page of open ones"
PURGE: Final = "delete"
TABLES: Final = "tables"
INDEXES: Final = "indexes"

_MOST: Final = int(os.environ.get("BENCH_ROWS", "10_000_000"))
_COUNTS: Final = (_MOST // 100, _MOST)
_ROUNDS: Final = 20
_BATCH: Final = 100
_PAGE: Final = 100
_LEASE: Final = timedelta(minutes=1)
_OLD: Final = timedelta(days=1)
_GIGABYTE: Final = 1_000_000_000

#: Only while rows are made: what is measured runs with the settings as they come.
_WHILE_FILLING: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "16GB",
    "maintenance_work_mem": "1GB",
}

_SIZES: Final = (
    "SELECT sum(pg_table_size(oid)), sum(pg_indexes_size(oid)) FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)

METHOD: Final = """
PostgreSQL, with its default settings and every commit durable, stores callbacks that ended 100 days
ago, first few and then a hundred times as many. Each has an answer of 200 bytes and two entries in
its audit trail. The database makes them as copies of one, and no table is partitioned. On top of
them, 2,000 callbacks are open. One process calls the store, with no HTTP and no Temporal.

- **Accept** is a commit of 100 answers to open callbacks, **claim** the commit that begins the
  delivery of 100 answers, **delete** the commit that deletes 100 ended callbacks with all their
  rows, and the query that finds them. Each is the time of one such batch.
- **First page** is the newest 100 callbacks of the list, and the same with `state=open`.
- Each is done 20 times, one after the other; a cell is their median, with the fastest and the
  slowest in parentheses.
- **Tables** and **indexes** are the sizes on disk.
"""


async def measure(bench: Bench) -> Iterable[Measured]:
    """Measure a database with each number of rows."""
    notes, keys = Notes(), Keys(bench.new_folder())
    async with running_cluster(bench.new_folder()) as cluster:
        for count in map(bench.scaled, _COUNTS):
            database = await cluster.copy()
            url = cluster.url(database)
            bench.say(f"filling a database with {count:,} ended callbacks")
            began = time.perf_counter()
            async with _filling(cluster.url("postgres")):
                await EndedStore(OURS, url, keys).fill(count)
            bench.say(f"measuring, after {time.perf_counter() - began:.0f} s")
            note = partial(notes.add, of=OURS, at=f"{count:,} ended")
            await _measure_one(url, keys, note)
            await cluster.drop(database)
    return notes.measured()


def bars(figures: Figures) -> Iterable[Bar]:
    """Return the bars of many rows."""
    few, most = list(dict.fromkeys(one.at for one in figures))
    for what in (ACCEPT, CLAIM, PURGE):
        times = [
            many / one
            for many, one in zip(
                figures.values(OURS, at=most, what=what),
                figures.values(OURS, at=few, what=what),
                strict=True,
            )
        ]
        yield Bar(f"{most}: {what}, of the time at {few}", 1.5, times, is_ceiling=True)
    for page in (LIST, LIST_OPEN):
        values = figures.values(OURS, at=most, what=page)
        yield Bar(f"{most}: {page}", 50, values, unit="ms", is_ceiling=True)


@asynccontextmanager
async def _filling(url: str) -> AsyncIterator[None]:
    """Let the server at `url` lose commits in a power cut for the block."""
    await _execute(url, [f"ALTER SYSTEM SET {n} = '{v}'" for n, v in _WHILE_FILLING.items()])
    yield
    await _execute(url, [f"ALTER SYSTEM RESET {name}" for name in _WHILE_FILLING])
    await _execute(url, ["CHECKPOINT"])


async def _execute(url: str, statements: Sequence[str]) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in [*statements, "SELECT pg_reload_conf()"]:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _measure_one(url: str, keys: Keys, note: "partial[None]") -> None:
    await _note_sizes(url, note)
    await open_questions(url, keys, _ROUNDS * _BATCH)
    async with opened_store(Settings(store=SecretStr(url)), SystemClock()) as store:
        new_id = outcome_ids(SystemClock())
        page = await store.page(
            CallbackQuery(states=frozenset({State.OPEN})), after=None, limit=_ROUNDS * _BATCH
        )
        ids = iter([callback.id for callback in page])

        async def accept() -> int:
            some = [Answer(next(ids), new_id(), Completed(BODY)) for _ in range(_BATCH)]
            return len(await store.accept(some))

        async def claim() -> int:
            return len(await store.claim("bench", limit=_BATCH, lease=_LEASE))

        async def first(states: frozenset[State]) -> int:
            return len(await store.page(CallbackQuery(states=states), after=None, limit=_PAGE))

        await _timed(note, LIST, partial(first, frozenset(State)), count=_PAGE)
        await _timed(note, LIST_OPEN, partial(first, frozenset({State.OPEN})), count=_PAGE)
        await _timed(note, ACCEPT, accept, count=_BATCH)
        await _timed(note, CLAIM, claim, count=_BATCH)
        await _timed(note, PURGE, partial(_purge, store), count=_BATCH)


async def _purge(store: SqlStore) -> int:
    ended = store.ended[RecordKind.CALLBACKS]
    window = await ended.find_ended(_OLD, after=None, limit=_BATCH)
    deleted = await ended.purge(window.ids, _OLD)
    return deleted["callbacks"]


async def _timed(
    note: "partial[None]", what: str, work: Callable[[], Awaitable[int]], *, count: int
) -> None:
    """Note how long each call takes.

    Raises:
        DriveError: It did not do `count` of them.
    """
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        done = await work()
        note(1000 * (time.perf_counter() - began), "ms", what=what)
        if done != count:
            msg = f"{what}: {done} were done instead of {count}"
            raise DriveError(msg)


async def _note_sizes(url: str, note: "partial[None]") -> None:
    connection = await asyncpg.connect(url)
    try:
        sizes: Any = await connection.fetchrow(_SIZES)
    finally:
        await connection.close()
    for what, size in zip((TABLES, INDEXES), sizes, strict=True):
        note(float(size) / _GIGABYTE, "GB", what=what)
