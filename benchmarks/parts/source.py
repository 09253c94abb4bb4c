"""Source: how many signed webhooks a second are accepted, beside answers by link."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final

from benchmarks.bench import Bench
from benchmarks.figures import RATE, Bar, Figures, Measured, Notes
from benchmarks.postgresql import running_cluster
from benchmarks.questions import Keys, alias_of
from benchmarks.stores import PostgresqlTemplate, SqliteTemplate, Template
from benchmarks.targets import Target, ours, source
from benchmarks.temporals import silent_temporal
from benchmarks.waiting_events import fill_events

WORK: Final = "source"
TITLE: Final = "Webhooks of providers"
OURS: Final = "by source, SQLite"
COMPARED: Final = RATE
PLOTTED: Final = ()

_LINK: Final = "by link"
_SOURCE: Final = "by source"
_EARLY: Final = "by source, early"
_FULL: Final = "by source, early, 1,000,000 wait"
_STORES: Final = ("SQLite", "PostgreSQL")
_CONNECTIONS: Final = 64
_AT: Final = f"{_CONNECTIONS} connections"

METHOD: Final = """
How many webhooks per second are accepted, beside answers by link. Each request is a `POST` of 200
bytes of JSON on one of 64 connections to one `ringback serve` process; the reply comes after the
commit. Temporal accepts connections and never replies.

- **By link**: each answer goes to its own open callback, as in the part *Accept*.
- **By source**: each request is signed as GitHub does and leads to its own open callback by its
  alias. The same process answers the callbacks meanwhile.
- **Early**: no callback has the alias, so the event waits, in a store without events or with
  1,000,000 that wait, too.
- After each run of a source the gateway is killed, and the store must have as many deliveries as
  there were replies. A run lasts 1.5 seconds after a warm-up of 200 requests.
"""

_QUESTIONS: Final = 18_000
_WAITING: Final = 1_000_000

_Way = Callable[[], AbstractAsyncContextManager[Target]]


async def measure(bench: Bench) -> Iterable[Measured]:
    """Measure all of them, side by side."""
    notes, keys, folder = Notes(), Keys(bench.folder), bench.new_folder()
    count, waiting = bench.scaled(_QUESTIONS), bench.scaled(_WAITING)
    fill = partial(fill_events, count=waiting)
    async with running_cluster(folder) as cluster:
        full = bench.new_folder()
        empty: list[Template] = [
            await SqliteTemplate.make(folder, keys, count, has_aliases=True),
            await PostgresqlTemplate.make(cluster, keys, count, has_aliases=True),
        ]
        bench.say(f"filling stores with {waiting:,} waiting events")
        filled: list[Template] = [
            await SqliteTemplate.make(full, keys, 1, fill=fill),
            await PostgresqlTemplate.make(cluster, keys, 1, fill=fill),
        ]
        known = [alias_of(number) for number in range(count)]
        early = [f"early:{number}" for number in range(count)]
        for name, one, many in zip(_STORES, empty, filled, strict=True):
            ways: dict[str, _Way] = {
                _LINK: partial(_by_link, bench, one, keys),
                _SOURCE: partial(source, bench, one, keys, aliases=known),
                _EARLY: partial(source, bench, one, keys, aliases=early),
                _FULL: partial(source, bench, many, keys, aliases=early, held=waiting),
            }
            runs = (
                (f"{of}, {name}", partial(_run, bench, notes, f"{of}, {name}", way))
                for of, way in ways.items()
            )
            await bench.interleaved(runs)
    return notes.measured()


def bars(figures: Figures) -> Iterable[Bar]:
    """Return the bars of sources, for each store."""
    for store in _STORES:
        link, known, early, full = (f"{of}, {store}" for of in (_LINK, _SOURCE, _EARLY, _FULL))
        yield Bar(f"{store}: by source, of the rate by link", 0.6, _ratios(figures, known, link))
        yield Bar(f"{store}: early, of the rate by link", 0.6, _ratios(figures, early, link))
        yield Bar(
            f"{store}: with 1,000,000 waiting events, of the rate without",
            0.9,
            _ratios(figures, full, early),
        )


def _ratios(figures: Figures, of: str, beside: str) -> Sequence[float]:
    return figures.ratios(of, beside, at=_AT)


def _by_link(bench: Bench, template: Template, keys: Keys) -> AbstractAsyncContextManager[Target]:
    return ours(bench, template, keys, temporal=silent_temporal())


async def _run(bench: Bench, notes: Notes, of: str, way: _Way) -> None:  # noqa: PLR0917 - bound in order
    async with way() as target:
        await target.note_answers(bench, notes, of=of, at=_AT, connections=_CONNECTIONS)
