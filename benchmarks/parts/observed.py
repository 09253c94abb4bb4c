"""Observed: what metrics and traces cost the acceptance of answers."""

from collections.abc import Iterable
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from benchmarks.bench import TIMES, Bench
from benchmarks.figures import RATE, Bar, Figures, Measured, Notes
from benchmarks.programs import python, running
from benchmarks.questions import Keys
from benchmarks.stores import SqliteTemplate
from benchmarks.targets import ours
from benchmarks.temporals import silent_temporal

WORK: Final = "observed"
TITLE: Final = "Accept while it is observed"
OURS: Final = "traces exported"
COMPARED: Final = RATE
PLOTTED: Final = ()

_WITHOUT: Final = "without traces"
_UNMEASURED: Final = "without metrics and traces"
_CONNECTIONS: Final = 64
_AT: Final = f"{_CONNECTIONS} connections"

METHOD: Final = """
How many answers per second are accepted with metrics and traces and without, on SQLite, as in the
part *Accept*: 64 connections, and Temporal accepts connections and never replies.

- **Traces exported**: each callback was opened by an activity with a sampled trace, so that the
  span of each commit links to all of its activities. The default sampler records everything. The
  collector is a process on the same machine that reads the spans and drops them.
- **Without traces**: the same store, and no endpoint for traces. The gateway counts its metrics,
  and Prometheus does not scrape it.
- **Without metrics and traces**: the same, and every event of the metrics is ignored.
- A run lasts 1.5 seconds after a warm-up of 200 requests. The three take turns.
"""

_QUESTIONS: Final = 18_000
_TIMES: Final = 2 * TIMES
_TRACED: Final = {OURS: True, _WITHOUT: False, _UNMEASURED: False}


async def measure(bench: Bench) -> Iterable[Measured]:
    """Measure all three, side by side."""
    notes, keys, folder = Notes(), Keys(bench.folder), bench.new_folder()
    count = bench.scaled(_QUESTIONS)
    template = await SqliteTemplate.make(folder, keys, count, is_traced=True)
    runs = ((of, partial(_run, bench, notes, of, keys=keys, template=template)) for of in _TRACED)
    await bench.interleaved(runs, times=_TIMES)
    return notes.measured()


def bars(figures: Figures) -> Iterable[Bar]:
    """Return the bars of metrics and traces."""
    ratios = figures.ratios(OURS, _WITHOUT, at=_AT)
    yield Bar("with traces, of the rate without", 0.95, ratios)
    ratios = figures.ratios(_WITHOUT, _UNMEASURED, at=_AT)
    yield Bar("with metrics, of the rate without", 0.95, ratios)


async def _run(
    bench: Bench, notes: Notes, of: str, *, keys: Keys, template: SqliteTemplate
) -> None:
    async with AsyncExitStack() as stack:
        more = {}
        if _TRACED[of]:
            words = python("benchmarks.rivals.noop", "asgi")
            collector = await stack.enter_async_context(running(words, cwd=bench.root))
            more["OTEL_EXPORTER_OTLP_ENDPOINT"] = await collector.ready()
        module = "ringback"
        if of == _UNMEASURED:
            module, more = "benchmarks.rivals.unmeasured", {"PYTHONPATH": str(bench.root)}
        gateway = ours(bench, template, keys, temporal=silent_temporal(), more=more, module=module)
        target = await stack.enter_async_context(gateway)
        await target.note_answers(bench, notes, of=of, at=_AT, connections=_CONNECTIONS)
