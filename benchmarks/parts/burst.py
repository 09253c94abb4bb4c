"""Burst: more answers in one go than Temporal takes in that time."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from benchmarks.bench import Bench
from benchmarks.figures import P50, P99, RATE, Bar, Figures, Measured, Notes
from benchmarks.programs import Program, python, running
from benchmarks.questions import Keys, gateway, open_for
from benchmarks.rivals.raw_token import path_of
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

BY_HAND: Final = "raw task token"

_UNANSWERED: Final = "unanswered"
_REFUSED: Final = "refused"
_BROKEN: Final = "broken"
_LOST: Final = "lost"
_EARLY: Final = "memory at a third"
_PEAK: Final = "peak memory"

METHOD: Final = f"""
20,000 answers at once, on 4,000 connections, while the real dev server accepts them more slowly
than they arrive. Each is for a real activity that waits; a hundred of them wait in each workflow,
and one worker runs them. Measured once, one program after the other.

- *unanswered*: callbacks whose answer was not accepted.
- *late*: replies after more than {PATIENCE_SECONDS} seconds, when many senders have given up.
- *broken*: connections that failed or were cut off, so that a sender got no reply.
- *lost*: answers that were accepted and that the store does not have.
- *applied*: workflows that had their answers when the last sender had its reply.
- *memory at a third*: the program's memory after a third of the time. Where memory is bounded, it
  is almost the peak.
"""

_ANSWERS: Final = 20_000
_CONNECTIONS: Final = 4_000
_PER_WORKFLOW: Final = 100
_LONGEST_SECONDS: Final = 240
_LOOK_EVERY_SECONDS: Final = 0.1


async def measure(bench: Bench) -> Iterable[Measured]:
    """Measure both, one after the other."""
    notes = Notes()
    bench.say(OURS)
    await _ours(bench, notes)
    bench.say(BY_HAND)
    await _by_hand(bench, notes)
    return notes.measured()


def bars(figures: Figures) -> Iterable[Bar]:
    """Return the bars of a burst."""
    at = next(iter(figures)).at
    counts = [figures.values(OURS, at=at, what=what)[0] for what in (_UNANSWERED, _LOST)]
    yield Bar("answers not taken, or taken and lost", 0, [sum(counts)], is_ceiling=True)
    early, peak = (figures.values(OURS, at=at, what=what)[0] for what in (_EARLY, _PEAK))
    sentence = "the gateway's memory at its peak, of that when a third of the time had passed"
    yield Bar(sentence, 1.25, [peak / early], is_ceiling=True)


async def _ours(bench: Bench, notes: Notes) -> None:
    keys, folder = Keys(bench.new_folder()), bench.new_folder()
    store_url = f"sqlite:///{folder / 'ringback.db'}"
    async with dev_server(folder) as (_, address), asking(address) as askers:
        waiting = await askers.suspend(bench.scaled(_ANSWERS), per_workflow=_PER_WORKFLOW)
        paths = await open_for(store_url, keys, waiting)
        async with gateway(store_url, keys, temporal=address, folder=folder) as (program, url):
            async with _watched(program) as memory:
                load = await _burst(bench, url, paths)
            note = _Notes(notes, OURS, f"{len(paths):,} answers")
            note.burst(load, asked=len(paths), applied=answered_so_far(waiting))
            note.memory(memory, peak=program.peak_memory())
            await program.kill()
    # One whose reply broke may be kept: that makes up for none that was taken and is not there.
    note.add(max(0, load.good - await count_accepted(store_url)), "", what=_LOST)


async def _by_hand(bench: Bench, notes: Notes) -> None:
    async with dev_server(bench.new_folder()) as (_, address), asking(address) as askers:
        waiting = await askers.suspend(bench.scaled(_ANSWERS), per_workflow=_PER_WORKFLOW)
        paths = [path_of(one.task_token) for one in waiting]
        words = python("benchmarks.rivals.raw_token", address)
        async with running(words, cwd=bench.root) as program:
            url = await program.ready()
            async with _watched(program) as memory:
                load = await _burst(bench, url, paths)
            note = _Notes(notes, BY_HAND, f"{len(paths):,} answers")
            note.burst(load, asked=len(paths), applied=answered_so_far(waiting))
            note.memory(memory, peak=program.peak_memory())


async def _burst(bench: Bench, url: str, paths: list[str]) -> Load:
    connections = bench.scaled(_CONNECTIONS)
    return await drive(url, paths, body=BODY, connections=connections, seconds=_LONGEST_SECONDS)


@asynccontextmanager
async def _watched(program: Program) -> AsyncIterator[Sequence[float]]:
    """Look at what `program` holds during the block; yield what was seen, in MB."""
    seen: list[float] = []

    async def look() -> None:
        while True:
            seen.append(program.memory())
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async with asyncio.TaskGroup() as group:
        looking = group.create_task(look())
        yield seen
        looking.cancel()


@dataclass(frozen=True, slots=True)
class _Notes:
    notes: Notes
    of: str
    at: str

    def add(self, value: float, unit: str, *, what: str) -> None:
        self.notes.add(value, unit, of=self.of, at=self.at, what=what)

    def burst(self, load: Load, *, asked: int, applied: int) -> None:
        self.add(load.good, "", what="taken")
        self.add(asked - load.good, "", what=_UNANSWERED)
        self.add(load.refused, "", what=_REFUSED)
        self.add(load.late, "", what="late")
        self.add(load.broken, "", what=_BROKEN)
        self.add(load.rate, "/s", what=RATE)
        self.add(load.p50, "ms", what=P50)
        self.add(load.p99, "ms", what=P99)
        self.add(applied, "", what="applied")

    def memory(self, seen: Sequence[float], *, peak: float) -> None:
        self.add(seen[len(seen) // 3], "MB", what=_EARLY)
        self.add(peak, "MB", what=_PEAK)
