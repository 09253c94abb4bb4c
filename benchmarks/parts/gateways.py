"""Gateways: what several gateway processes on one PostgreSQL accept, and what each answer costs."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import asyncpg

from benchmarks.bench import Bench
from benchmarks.figures import P99, RATE, Bar, Figures, Measured, Notes
from benchmarks.postgresql import Cluster, running_cluster
from benchmarks.questions import Keys, gateway
from benchmarks.stores import PostgresqlTemplate, check_kept
from benchmarks.targets import Target
from benchmarks.temporals import silent_temporal
from ringback.core.services import task_group

WORK: Final = "gateways"
TITLE: Final = "Gateways"
OURS: Final = "1 process"
COMPARED: Final = RATE
PLOTTED: Final = (RATE,)

PROCESSES: Final = (1, 2, 4)
CONNECTIONS: Final = 64

GATEWAY_CPU: Final = "gateways' CPU each"
SERVER_CPU: Final = "PostgreSQL's CPU each"
ALL_CPU: Final = "CPU each"
LOCKED: Final = "sessions that wait for a lock"
LIGHTLY_LOCKED: Final = "sessions that wait for an internal lock"
ON_DISK: Final = "sessions that wait for the disk"
COMMITS: Final = "commits each"
LOG_BYTES: Final = "log bytes each"

METHOD: Final = """
What `ringback serve --processes N` accepts on one PostgreSQL server with its default settings,
and what an answer costs: as in *Accept*, at 64 connections of 200 bytes each, with a Temporal that
accepts connections and never replies.

- CPU is counted for the gateways and for PostgreSQL's processes apart, for each answer. On a
  machine with few cores the rate cannot grow with the processes, so the bar is on the CPU.
- Every 20 ms the sessions of `pg_stat_activity` are counted by what they wait for: a *lock* of a
  row or of another object, an *internal lock* (`LWLock`), the *disk* (`IO`). A figure is the mean
  number of sessions.
- Commits and bytes of the write-ahead log are those of the server during the run, for each answer.
"""

_SECONDS: Final = 2.0
_QUESTIONS: Final = 24_000
_WARM_UP: Final = 400
_EVERY_SECONDS: Final = 0.02

_WAITS: Final = (
    "SELECT wait_event_type, count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()"
    " GROUP BY wait_event_type"
)
_COMMITS: Final = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
_LOG: Final = "SELECT (pg_current_wal_lsn() - '0/0')::float8"


async def measure(bench: Bench) -> Iterable[Measured]:
    """Measure each number of processes, in turn."""
    notes, keys, folder = Notes(), Keys(bench.folder), bench.new_folder()
    async with running_cluster(folder) as cluster:
        template = await PostgresqlTemplate.make(cluster, keys, bench.scaled(_QUESTIONS))
        await bench.interleaved(
            (of_(count), partial(_run, bench, notes, cluster, template, keys, count))
            for count in PROCESSES
        )
    return notes.measured()


def of_(count: int) -> str:
    """Return the name of the row of `count` processes."""
    return f"{count} process{'es' if count > 1 else ''}"


def bars(figures: Figures) -> Iterable[Bar]:
    """Return the bars: more processes cost little more, and do not wait for each other."""
    two = figures.ratios(of_(2), of_(1), at=_at(), what=ALL_CPU)
    yield Bar("two processes: CPU for each answer, of that of one", 1.1, two, is_ceiling=True)
    locked = figures.differences(of_(4), of_(1), at=_at(), what=LOCKED)
    sentence = "four processes: sessions that wait for a lock, more than with one"
    yield Bar(sentence, 0.5, locked, is_ceiling=True)


async def _run(  # noqa: PLR0917 - bound in order, one after the other
    bench: Bench,
    notes: Notes,
    cluster: Cluster,
    template: PostgresqlTemplate,
    keys: Keys,
    count: int,
) -> None:
    seconds = 0.5 if bench.is_quick else _SECONDS
    async with template.copied() as store_url:
        with silent_temporal() as address:
            folder = bench.new_folder()
            async with (
                gateway(store_url, keys, temporal=address, folder=folder, processes=count) as (
                    server,
                    url,
                ),
                _watched(store_url) as seen,
            ):
                target = Target(server, url, template.paths)
                answer = partial(target.answer, connections=CONNECTIONS, seconds=seconds)
                (await answer(at_most=bench.scaled(_WARM_UP))).check(of_(count))
                await seen.begin()
                before = server.cpu_seconds(), cluster.server.cpu_seconds()
                load = await answer()
                after = server.cpu_seconds(), cluster.server.cpu_seconds()
                await seen.end()
                load.check(of_(count))
                await server.kill()
        await check_kept(store_url, target.taken)
    note = partial(notes.add, of=of_(count), at=_at())
    note(load.rate, "/s", what=RATE)
    note(load.p99, "ms", what=P99)
    ours, theirs = (
        1000 * (end - begin) / load.answered for begin, end in zip(before, after, strict=True)
    )
    note(ours, "ms", what=GATEWAY_CPU)
    note(theirs, "ms", what=SERVER_CPU)
    note(ours + theirs, "ms", what=ALL_CPU)
    seen.note(note, load.answered)


class _Seen:
    """What the server did between `begin` and `end`.

    Attributes:
        waits: How many sessions waited, by kind, summed over all `looks`.
        looks: How often the sessions were counted.
        commits: Transactions.
        log_bytes: Bytes of the write-ahead log.
    """

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection
        self._alone = asyncio.Lock()
        self._is_on = False
        self.waits: Counter[str] = Counter()
        self.looks = 0
        self.commits = 0.0
        self.log_bytes = 0.0

    async def begin(self) -> None:
        commits, log_bytes = await self._totals()
        self.commits, self.log_bytes = -commits, -log_bytes
        self._is_on = True

    async def end(self) -> None:
        self._is_on = False
        commits, log_bytes = await self._totals()
        # Each look was a transaction, too.
        self.commits += commits - self.looks
        self.log_bytes += log_bytes

    async def look(self) -> None:
        while True:
            if self._is_on:
                async with self._alone:
                    for kind, count in await self._connection.fetch(_WAITS):
                        self.waits[kind or ""] += count
                self.looks += 1
            await asyncio.sleep(_EVERY_SECONDS)

    def note(self, note: Callable[..., None], answered: int) -> None:
        """Note what was seen while so many requests were `answered`."""
        for what, kind in ((LOCKED, "Lock"), (LIGHTLY_LOCKED, "LWLock"), (ON_DISK, "IO")):
            note(self.waits[kind] / max(self.looks, 1), "", what=what)
        note(self.commits / answered, "", what=COMMITS)
        note(self.log_bytes / answered, "B", what=LOG_BYTES)

    async def _totals(self) -> tuple[float, float]:
        # Sessions report their commits once a second at most, and when they become idle.
        await asyncio.sleep(1)
        async with self._alone:
            return (
                float(await self._connection.fetchval(_COMMITS)),
                float(await self._connection.fetchval(_LOG)),
            )


@asynccontextmanager
async def _watched(store_url: str) -> AsyncIterator[_Seen]:
    connection = await asyncpg.connect(store_url)
    seen = _Seen(connection)
    async with task_group() as group:
        looking = group.create_task(seen.look())
        try:
            yield seen
        finally:
            looking.cancel()
            await asyncio.wait([looking])
            await connection.close()


def _at() -> str:
    return f"{CONNECTIONS} connections"
