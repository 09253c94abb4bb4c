"""Open: the cost that `wait_for_callback` adds to an activity that only waits."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

from benchmarks.bench import Bench
from benchmarks.figures import P50, P99, Bar, Figures, Measured, Notes, percentile
from benchmarks.openers import Openers, only_waits, opening, opens_a_callback, plugin_at, worker_key
from benchmarks.postgresql import running_cluster
from benchmarks.questions import Keys, gateway
from benchmarks.temporals import dev_server

WORK: Final = "open"
TITLE: Final = "Open"
OURS: Final = "wait_for_callback, SQLite"
COMPARED: Final = P50
PLOTTED: Final = ()

POSTGRESQL: Final = "wait_for_callback, PostgreSQL"
PLAIN: Final = "raise_complete_async"
ONE: Final = "one at a time"
MANY: Final = "all at once"
EACH: Final = "for each"
CPU: Final = "worker's CPU each"

METHOD: Final = """
How long an activity is busy until it waits for an answer.
Real activities run on one real dev server. Each way to wait has its own worker, in the process of
the benchmark, and its own gateway.

- **`wait_for_callback`** commits the callback, creates its link, runs a `submit` that does nothing,
  commits the submission, and goes asynchronous. Its result type is a pydantic model.
- **`raise_complete_async`** is an activity that does only that.
- **One at a time**: one workflow after the other, with one activity each; the time from the
  activity's first line to its last.
- **All at once**: ten activities in each of many workflows. *For each* is the time from the first
  line of the first activity to the last line of the last one, divided by their number. The worker's
  CPU is that of its process, which also runs the workflows; the difference is what Ringback adds.
"""

_SINGLE: Final = 100
_WARM_UP: Final = 20
_AT_ONCE: Final = 1000
_PAUSE_SECONDS: Final = 0.01


async def measure(bench: Bench) -> Iterable[Measured]:
    """Measure all of them, side by side."""
    notes = Notes()
    async with _openers(bench) as ways:
        for openers in ways.values():
            await openers.suspend(bench.scaled(_AT_ONCE))
        await bench.interleaved([
            (f"{of}, {at}", partial(run, bench, notes, of=of, openers=openers))
            for at, run in ((ONE, _single), (MANY, _many))
            for of, openers in ways.items()
        ])
    return notes.measured()


def bars(figures: Figures) -> Iterable[Bar]:
    """Return the bars of opening."""
    for of in (OURS, POSTGRESQL):
        added = figures.differences(of, PLAIN, at=ONE, what=P50)
        yield Bar(f"{of}, {ONE}: added at p50", 3, added, unit="ms", is_ceiling=True)
    added = figures.differences(OURS, PLAIN, at=MANY, what=EACH)
    yield Bar(f"{OURS}, {MANY}: added for each", 3, added, unit="ms", is_ceiling=True)


@asynccontextmanager
async def _openers(bench: Bench) -> AsyncIterator[Mapping[str, Openers]]:
    """Run a worker for each way to wait, for the block."""
    folder, keys = bench.new_folder(), Keys(bench.new_folder())
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(running_cluster(bench.new_folder()))
        _, address = await stack.enter_async_context(dev_server(folder))
        enter = stack.enter_async_context
        openers = {PLAIN: await enter(opening(address, only_waits))}
        stores = {
            OURS: f"sqlite:///{folder / 'ringback.db'}",
            POSTGRESQL: cluster.url(await cluster.copy()),
        }
        for name, store_url in stores.items():
            _, url = await enter(gateway(store_url, keys, temporal=address, folder=folder))
            plugin = plugin_at(url, await worker_key(store_url))
            openers[name] = await enter(opening(address, opens_a_callback, plugin=plugin))
        yield openers


async def _single(bench: Bench, notes: Notes, *, of: str, openers: Openers) -> None:
    count = bench.scaled(_SINGLE) + _WARM_UP
    openers.busy.clear()
    for _ in range(count):
        await openers.suspend(1)
        await asyncio.sleep(_PAUSE_SECONDS)
    steady = [one.milliseconds for one in openers.busy[_WARM_UP:]]
    notes.add(percentile(steady, 50), "ms", of=of, at=ONE, what=P50)
    notes.add(percentile(steady, 99), "ms", of=of, at=ONE, what=P99)


async def _many(bench: Bench, notes: Notes, *, of: str, openers: Openers) -> None:
    count = bench.scaled(_AT_ONCE)
    openers.busy.clear()
    cpu_before = time.process_time()
    await openers.suspend(count)
    used = time.process_time() - cpu_before
    began = min(one.began for one in openers.busy)
    lasted = max(one.waited for one in openers.busy) - began
    notes.add(1000 * lasted / count, "ms", of=of, at=MANY, what=EACH)
    notes.add(1000 * used / count, "ms", of=of, at=MANY, what=CPU)
