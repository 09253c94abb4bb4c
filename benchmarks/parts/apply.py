"""Apply: how fast accepted answers reach their workflows, and how long one takes on its way."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

import httpx2
from temporalio import activity

from benchmarks.bench import Bench
from benchmarks.figures import P50, P99, RATE, Bar, Figures, Measured, Notes, percentile
from benchmarks.programs import Program, python, running
from benchmarks.questions import Keys, gateway, open_for
from benchmarks.rivals.raw_token import path_of
from benchmarks.suspended import Askers, answered, asking
from benchmarks.targets import BODY
from benchmarks.temporals import dev_server
from benchmarks.wrk import drive

WORK: Final = "apply"
TITLE: Final = "Apply"
OURS: Final = "Ringback"
COMPARED: Final = RATE
PLOTTED: Final = (RATE, P50)

LOOP: Final = "bare loop of handle.complete"
BY_HAND: Final = "raw task token"
MANY: Final = "all at once"
POSTED: Final = "all at once, by POST"
ONE: Final = "one at a time"

METHOD: Final = """
How fast answers reach their workflows: from the first workflow that has its answer to the last.
Ten real activities wait in each workflow of one real dev server, which stores its data in memory;
one worker runs all of them.

- **All at once**: for **Ringback** (`ringback serve`, SQLite) all answers are accepted before the
  gateway starts, so that it only delivers. **The bare loop** calls `handle.complete` by task token
  in its own process, with the number of parallel calls that was fastest in two tries; the column
  *calls at a time* shows it: 16, 32, 64, 128 or 256.
- **All at once, by POST**: wrk sends them on 64 connections to **Ringback**, which accepts and
  delivers in one process, and to the **raw task token**.
- **One at a time**: at most one request every 50 ms; the time from sending the request until the
  workflow has the answer.
"""

_ANSWERS: Final = 1000
_TRIED: Final = 500
_AT_A_TIME: Final = (16, 32, 64, 128, 256)
_TRIES: Final = 2
_CONNECTIONS: Final = 64
_SINGLE: Final = 60
_WARM_UP: Final = 10
_PAUSE_SECONDS: Final = 0.05
_LONGEST_SECONDS: Final = 60


async def measure(bench: Bench) -> Iterable[Measured]:
    """Measure all of them, side by side."""
    notes = Notes()
    async with dev_server(bench.new_folder()) as (_, address), asking(address) as askers:
        stage = _Stage(bench, notes, Keys(bench.folder), address, askers)
        fastest = await stage.fastest()
        notes.add(fastest, "", of=LOOP, at=MANY, what="calls at a time")
        await bench.interleaved(stage.runs(fastest))
    return notes.measured()


def bars(figures: Figures) -> Iterable[Bar]:
    """Return the bars of applying."""
    yield Bar("of the bare loop's rate", 0.95, figures.ratios(OURS, LOOP, at=MANY))
    over = figures.differences(OURS, BY_HAND, at=ONE, what=P50)
    sentence = "one at a time: p50 from request to result, over that of the raw task token"
    yield Bar(sentence, 10, over, unit="ms", is_ceiling=True)


@dataclass(frozen=True, slots=True)
class _Stage:
    """One Temporal with one worker, on which all take their turn."""

    bench: Bench
    notes: Notes
    keys: Keys
    address: str
    askers: Askers

    def runs(self, fastest: int) -> Iterable[tuple[str, Callable[[], Awaitable[None]]]]:
        """Yield all that is to be measured once."""
        return [
            (f"{LOOP}, {MANY}", partial(self._loop, fastest)),
            (f"{OURS}, {MANY}", self._deliver),
            (f"{OURS}, {POSTED}", partial(self._posted, OURS, self._gateway)),
            (f"{BY_HAND}, {POSTED}", partial(self._posted, BY_HAND, self._by_hand)),
            (f"{OURS}, {ONE}", partial(self._single, OURS, self._gateway)),
            (f"{BY_HAND}, {ONE}", partial(self._single, BY_HAND, self._by_hand)),
        ]

    async def fastest(self) -> int:
        """Return how many calls at a time the bare loop is fastest with."""
        rates: dict[int, float] = dict.fromkeys(_AT_A_TIME, 0.0)
        for at_a_time in _AT_A_TIME * _TRIES:
            self.bench.say(f"{LOOP}, {at_a_time} calls at a time")
            rate = await self._loop_rate(at_a_time, self.bench.scaled(_TRIED))
            rates[at_a_time] = max(rate, rates[at_a_time])
        return max(rates, key=rates.__getitem__)

    async def _loop(self, at_a_time: int) -> None:
        rate = await self._loop_rate(at_a_time, self.bench.scaled(_ANSWERS))
        self.notes.add(rate, "/s", of=LOOP, at=MANY, what=RATE)

    async def _loop_rate(self, at_a_time: int, count: int) -> float:
        waiting = await self.askers.suspend(count)
        tokens = self.bench.new_folder() / "tokens"
        tokens.write_text("\n".join(one.task_token.hex() for one in waiting))
        words = python("benchmarks.rivals.bare_loop", self.address, str(at_a_time), str(tokens))
        async with running(words, cwd=self.bench.root) as program:
            await program.ready()
            return _rate(await answered(waiting))

    async def _deliver(self) -> None:
        waiting = await self.askers.suspend(self.bench.scaled(_ANSWERS))
        store_url = f"sqlite:///{self.bench.new_folder() / 'ringback.db'}"
        await open_for(store_url, self.keys, waiting, answer=BODY)
        async with self._gateway_on(store_url) as (_, _):
            self.notes.add(_rate(await answered(waiting)), "/s", of=OURS, at=MANY, what=RATE)

    async def _posted(self, of: str, serve: "_Serve") -> None:
        waiting = await self.askers.suspend(self.bench.scaled(_ANSWERS))
        async with serve(waiting) as (url, paths):
            load = await drive(
                url, paths, body=BODY, connections=_CONNECTIONS, seconds=_LONGEST_SECONDS
            )
            load.check(of)
            self.notes.add(_rate(await answered(waiting)), "/s", of=of, at=POSTED, what=RATE)

    async def _single(self, of: str, serve: "_Serve") -> None:
        waiting = await self.askers.suspend(_SINGLE + _WARM_UP)
        took = []
        async with serve(waiting) as (url, paths), _client(url) as http:
            for info, path in zip(waiting, paths, strict=True):
                sent = time.perf_counter()
                reply = await http.post(path, content=BODY)
                reply.raise_for_status()
                await asyncio.sleep(_PAUSE_SECONDS)
                (came,) = await answered([info])
                took.append(1000 * (came - sent))
        steady = took[_WARM_UP:]
        self.notes.add(percentile(steady, 50), "ms", of=of, at=ONE, what=P50)
        self.notes.add(percentile(steady, 99), "ms", of=of, at=ONE, what=P99)

    @asynccontextmanager
    async def _gateway(
        self, waiting: Sequence[activity.Info]
    ) -> AsyncIterator[tuple[str, Sequence[str]]]:
        store_url = f"sqlite:///{self.bench.new_folder() / 'ringback.db'}"
        paths = await open_for(store_url, self.keys, waiting)
        async with self._gateway_on(store_url) as (_, url):
            yield url, paths

    def _gateway_on(self, store_url: str) -> AbstractAsyncContextManager[tuple[Program, str]]:
        folder = self.bench.new_folder()
        return gateway(store_url, self.keys, temporal=self.address, folder=folder)

    @asynccontextmanager
    async def _by_hand(
        self, waiting: Sequence[activity.Info]
    ) -> AsyncIterator[tuple[str, Sequence[str]]]:
        words = python("benchmarks.rivals.raw_token", self.address)
        async with running(words, cwd=self.bench.root) as program:
            yield await program.ready(), [path_of(one.task_token) for one in waiting]


_Serve: TypeAlias = Callable[
    [Sequence[activity.Info]], AbstractAsyncContextManager[tuple[str, Sequence[str]]]
]
"""Runs what takes the answers of these activities, and yields its URL and the path for each."""


def _rate(moments: Sequence[float]) -> float:
    return (len(moments) - 1) / (moments[-1] - moments[0])


def _client(url: str) -> httpx2.AsyncClient:
    headers = {"content-type": "application/json"}
    return httpx2.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False)
