"""Burst: more answers in one go than Temporal takes in that time."""

from collections.abc import Iterable
from functools import partial
from typing import Final, Protocol

from benchmarks.bench import Bench
from benchmarks.figures import P50, P99, RATE, Bar, Figures, Measured, Notes
from benchmarks.programs import Program, python, running
from benchmarks.questions import Keys, gateway, open_for
from benchmarks.rivals.seed import path_of
from benchmarks.stores import count_accepted
from benchmarks.suspended import answered_so_far, asking
from benchmarks.targets import BODY
from benchmarks.temporals import dev_server
from benchmarks.wrk import PATIENCE_SECONDS, Load, drive

WORK: Final = "burst"
TITLE: Final = "Burst"
OURS: Final = "Ringback"
COMPARED: Final = RATE
PLOTTED: Final = ()

SEED: Final = "seed's design"

_REFUSED: Final = "refused"
_BROKEN: Final = "broken"
_LOST: Final = "lost"
_PEAK: Final = "peak memory"

METHOD: Final = f"""
20,000 answers in one go, on 2,000 connections, while the real dev server takes them slower than
they come. Each goes to a real activity that waits; a hundred of them wait in each workflow, and a
worker runs them. *late* counts replies that took longer than {PATIENCE_SECONDS} seconds, after
which many senders have given up; *broken* connections that could not be made or were cut off;
*lost* the answers that were taken and that the store does not hold. *applied* tells how many
workflows' answers were there when the last sender had its reply. Measured once.
"""

_ANSWERS: Final = 20_000
_CONNECTIONS: Final = 2_000
_PER_WORKFLOW: Final = 100
_LONGEST_SECONDS: Final = 240


async def measure(bench: Bench) -> Iterable[Measured]:
    """Measure both, one after the other."""
    notes = Notes(WORK)
    bench.say(OURS)
    await _ours(bench, notes)
    bench.say(SEED)
    await _seed(bench, notes)
    return notes.measured()


def bars(figures: Figures) -> Iterable[Bar]:
    """Return the bars of a burst."""
    at = next(iter(figures)).at
    counts = [figures.values(OURS, at=at, what=what)[0] for what in (_REFUSED, _BROKEN, _LOST)]
    yield Bar("answers refused, broken off or lost", 0, [sum(counts)], is_ceiling=True)
    peak = figures.values(OURS, at=at, what=_PEAK)
    yield Bar("the gateway's memory at its peak", 200, peak, unit="MB", is_ceiling=True)


async def _ours(bench: Bench, notes: Notes) -> None:
    keys, folder = Keys(bench.new_folder()), bench.new_folder()
    store_url = f"sqlite:///{folder / 'ringback.db'}"
    async with dev_server(folder) as (_, address), asking(address) as askers:
        waiting = await askers.suspend(bench.scaled(_ANSWERS), per_workflow=_PER_WORKFLOW)
        paths = await open_for(store_url, keys, waiting)
        async with gateway(store_url, keys, temporal=address, folder=folder) as (program, url):
            load = await _burst(bench, url, paths)
            applied = answered_so_far(waiting)
            note = _note(notes, program, load, of=OURS, count=len(paths), applied=applied)
            await program.kill()
    note(load.good - await count_accepted(store_url), "", what=_LOST)


async def _seed(bench: Bench, notes: Notes) -> None:
    async with dev_server(bench.new_folder()) as (_, address), asking(address) as askers:
        waiting = await askers.suspend(bench.scaled(_ANSWERS), per_workflow=_PER_WORKFLOW)
        paths = [path_of(one.task_token) for one in waiting]
        words = python("benchmarks.rivals.seed", address)
        async with running(words, cwd=bench.root) as program:
            load = await _burst(bench, await program.ready(), paths)
            applied = answered_so_far(waiting)
            _note(notes, program, load, of=SEED, count=len(paths), applied=applied)


async def _burst(bench: Bench, url: str, paths: list[str]) -> Load:
    connections = bench.scaled(_CONNECTIONS)
    return await drive(url, paths, body=BODY, connections=connections, seconds=_LONGEST_SECONDS)


def _note(
    notes: Notes, program: Program, load: Load, *, of: str, count: int, applied: int
) -> "_Note":
    note: _Note = partial(notes.add, of=of, at=f"{count:,} answers")
    note(load.good, "", what="taken")
    note(load.refused, "", what=_REFUSED)
    note(load.late, "", what="late")
    note(load.broken, "", what=_BROKEN)
    note(load.rate, "/s", what=RATE)
    note(load.p50, "ms", what=P50)
    note(load.p99, "ms", what=P99)
    note(applied, "", what="applied")
    note(program.peak_memory(), "MB", what=_PEAK)
    return note


class _Note(Protocol):
    """Notes one figure of a burst."""

    def __call__(self, value: float, unit: str, *, what: str) -> None:
        """Note `value`."""
        ...
