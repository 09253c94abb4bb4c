"""Accept: how many answers a second are taken durably, and how long each waits for its receipt."""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final, TypeAlias

from benchmarks.bench import TIMES, Bench
from benchmarks.figures import P99, RATE, Bar, Figures, Measured, Notes
from benchmarks.postgresql import running_cluster
from benchmarks.questions import Keys
from benchmarks.stores import PostgresqlTemplate, SqliteTemplate
from benchmarks.targets import Target, awakeables, noop, ours, raw_token
from benchmarks.temporals import refusing_temporal, silent_temporal

WORK: Final = "accept"
TITLE: Final = "Accept"
OURS: Final = "Ringback, SQLite"
COMPARED: Final = RATE
PLOTTED: Final = (RATE, P99)

POSTGRESQL: Final = "Ringback, PostgreSQL"
TEMPORAL_REFUSES: Final = "Ringback, SQLite, Temporal refuses"
ASGI: Final = "no-op, bare ASGI"
ROUTE: Final = "no-op, Starlette route"
BY_HAND: Final = "raw task token"
RESTATE: Final = "Restate"

CONNECTIONS: Final = (1, 16, 64, 256)
AT_THE_BAR: Final = 64
"""The number of connections for which the bars are set."""

_AT_THE_BAR_ONLY: Final = frozenset({TEMPORAL_REFUSES, ROUTE})

METHOD: Final = """
How many answers per second are accepted, and how long a sender waits for the receipt.
Each request is a `POST` of 200 bytes of JSON to its own open callback.

- **Ringback** is one `ringback serve` process; its 202 comes after the commit. SQLite is in WAL
  mode with `synchronous=FULL`; PostgreSQL is a separate server with its default settings.
  Temporal accepts connections and never replies, so deliveries start and hang; in the row
  *Temporal refuses* they fail immediately and are retried. After each run the gateway is killed,
  and the store must have as many answers as there were receipts.
- **No-op** reads the body and replies with a receipt of the same size, on the same server stack as
  the gateway (uvicorn with httptools and uvloop, with the gateway's limits). *Bare ASGI* is one
  callable without a framework: the ceiling. *Starlette route* adds the cost of a framework.
- **Raw task token** is a FastAPI route with the raw task token in the query, which calls
  `handle.complete` before it replies. Each token belongs to an activity that waits on the real dev
  server, which stores its data in memory; no worker runs during the measurement.
- **Restate** is the server of the npm package; each request resolves the awakeable of its own
  suspended invocation. Its service is paused during the run, so it is as silent as our Temporal.
- wrk drives all of them with one thread; the column *client busy* is wrk's share of one processor.
  wrk corrects its percentiles for requests that waited behind a slow one.
- A run lasts 1.5 seconds, or until each callback has its answer, after a warm-up of 200 requests.
"""

_QUESTIONS: Final = 18_000
_TOKENS: Final = {1: 400, 16: 800, 64: 1200, 256: 800}
_AWAKEABLES: Final = {1: 1000, 16: 2500, 64: 5000, 256: 2500}
"""How many wait for a run, by its connections: to make them takes longer than to answer them."""

_Way: TypeAlias = Callable[[int], AbstractAsyncContextManager[Target]]
"""Opens a target for a run on this number of connections."""


async def measure(bench: Bench) -> Iterable[Measured]:
    """Measure all of them, side by side."""
    notes, keys, folder = Notes(), Keys(bench.folder), bench.new_folder()
    async with running_cluster(folder) as cluster:
        count = bench.scaled(_QUESTIONS)
        sqlite = await SqliteTemplate.make(folder, keys, count)
        postgresql = await PostgresqlTemplate.make(cluster, keys, count)
        ways: dict[str, _Way] = {
            ASGI: lambda _: noop(bench, sqlite.paths, app="asgi"),
            ROUTE: lambda _: noop(bench, sqlite.paths, app="route"),
            OURS: lambda _: ours(bench, sqlite, keys, temporal=silent_temporal()),
            POSTGRESQL: lambda _: ours(bench, postgresql, keys, temporal=silent_temporal()),
            TEMPORAL_REFUSES: lambda _: ours(bench, sqlite, keys, temporal=refusing_temporal()),
            BY_HAND: lambda connections: raw_token(bench, bench.scaled(_TOKENS[connections])),
            RESTATE: lambda connections: awakeables(bench, bench.scaled(_AWAKEABLES[connections])),
        }
        for connections in CONNECTIONS if not bench.is_quick else (1, AT_THE_BAR):
            runs = (
                (f"{of}, {_at(connections)}", partial(_run, bench, notes, of, connections, way))
                for of, way in ways.items()
                if of not in _AT_THE_BAR_ONLY or connections == AT_THE_BAR
            )
            times = TIMES if connections == AT_THE_BAR else TIMES - 1
            await bench.interleaved(runs, times=times)
    return notes.measured()


def bars(figures: Figures) -> Iterable[Bar]:
    """Return the bars of accepting, all at 64 connections."""
    at = _at(AT_THE_BAR)
    where = "64 connections, one process, SQLite"
    of_asgi = figures.ratios(OURS, ASGI, at=at)
    yield Bar(f"{where}: of the rate of a bare ASGI no-op", 0.3, of_asgi)
    yield Bar(f"{where}: times Restate's rate", 1.5, figures.ratios(OURS, RESTATE, at=at))
    yield Bar(
        f"{where}: times the rate of the raw task token", 20, figures.ratios(OURS, BY_HAND, at=at)
    )
    p99 = figures.values(OURS, at=at, what=P99)
    yield Bar(f"{where}: p99", 25, p99, unit="ms", is_ceiling=True)
    same = figures.ratios(POSTGRESQL, OURS, at=at)
    yield Bar("64 connections: PostgreSQL's rate, of that of SQLite", 1, same)


async def _run(  # noqa: PLR0917 - bound in order, one after the other
    bench: Bench, notes: Notes, of: str, connections: int, way: _Way
) -> None:
    async with way(connections) as target:
        await target.note_answers(bench, notes, of=of, at=_at(connections), connections=connections)


def _at(connections: int) -> str:
    return f"{connections} connection{'s' if connections > 1 else ''}"
