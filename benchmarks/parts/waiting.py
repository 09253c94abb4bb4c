"""Scale of waiting: is a gateway as fast with a million open callbacks as with a thousand?"""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import httpx2
from pydantic import SecretStr

from benchmarks.bench import TIMES, Bench
from benchmarks.figures import RATE, Bar, Figures, Measured, Notes, percentile
from benchmarks.filling import fill
from benchmarks.postgresql import running_cluster
from benchmarks.programs import Program
from benchmarks.questions import Keys, gateway, open_questions
from benchmarks.stores import check_kept, count_accepted
from benchmarks.targets import BODY
from benchmarks.temporals import silent_temporal
from benchmarks.wrk import DriveError, drive
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.domain.api_key import (
    ID_BYTES,
    SECRET_BYTES,
    Role,
    digest_secret,
    new_key_id,
    new_secret,
    to_text,
)
from ringback.domain.ids import CallbackId
from ringback.domain.link import Link
from ringback.ports.access import NewKey
from ringback.settings import Settings

WORK: Final = "waiting"
TITLE: Final = "Scale of waiting"
OURS: Final = "Ringback, SQLite"
POSTGRESQL: Final = "Ringback, PostgreSQL"
COMPARED: Final = RATE
PLOTTED: Final = (RATE,)

MEMORY: Final = "memory"
GROWN: Final = "memory grown"
START: Final = "time to start"
LIST: Final = "first page, p95"
LIST_OPEN: Final = "first page of open ones, p95"
SCRAPE: Final = "scrape, p90"
IDLE: Final = "CPU with nothing to do"

COUNTS: Final = (1_000, 100_000, 1_000_000)

_REAL: Final = 1_000
_ANSWERS: Final = 600
_ROUNDS: Final = 5
_CONNECTIONS: Final = 64
_WARM_UP: Final = 300
"""By then as many deliveries hang as a gateway begins."""

_LISTED: Final = 40
_SCRAPED: Final = 10
_IDLE_SECONDS: Final = 3.0
_APART_SECONDS: Final = 1.1
_LONGEST_SECONDS: Final = 20
_PAGES: Final = {LIST: "/v1/callbacks", LIST_OPEN: "/v1/callbacks?state=open"}

METHOD: Final = """
The same gateway (`ringback serve`, one process) on stores with 1,000, 100,000 and 1,000,000 open
callbacks, each of an activity in its own workflow. Workers open the first thousand; the database
makes the others as copies of one of them.
Temporal accepts connections and never replies, so every poll of an activity hangs.

- **Time to start** is from the start of the process to its line "ready".
- **First page** is `GET /v1/callbacks`, and the same with `state=open`, by HTTP.
- **Scrape** is of `GET /metrics`, ten of them more than a second apart: within a second, scrapes
  share a reading of the store. The callbacks are counted meanwhile, for the first time.
- **Rate** is of accepted answers: five times 600 answers of 200 bytes of JSON on 64 connections by
  wrk, after a warm-up of 300, to random open callbacks. After each repetition the gateway is
  killed, and the store must have all answers; the next repetition continues with the same store.
  Where only a thousand are open, others are opened before each of the five.
- **Memory** is the resident set at the end; *grown* is the growth since the gateway was ready.
  *CPU with nothing to do* is the cost of polling the open callbacks, in three seconds.
"""


async def measure(bench: Bench) -> Iterable[Measured]:
    """Measure all of them, side by side."""
    notes, keys = Notes(), Keys(bench.new_folder())
    async with running_cluster(bench.new_folder()) as cluster:
        stores: list[_Store] = []
        for count in map(bench.scaled, COUNTS):
            file = bench.new_folder() / "ringback.db"
            bench.say(f"filling stores with {count:,} open callbacks")
            stores.append(await _Store.make(OURS, f"sqlite:///{file}", keys=keys, count=count))
            url = cluster.url(await cluster.copy())
            stores.append(await _Store.make(POSTGRESQL, url, keys=keys, count=count))
        await bench.interleaved(
            (f"{one.of}, {one.at}", partial(_measure_one, bench, notes, one)) for one in stores
        )
    return notes.measured()


def bars(figures: Figures) -> Iterable[Bar]:
    """Return the bars of waiting."""
    counts = [one.at for one in figures if one.of == OURS and one.what == RATE]
    few, most = counts[0], counts[-1]
    for of in (OURS, POSTGRESQL):
        values = partial(figures.values, of, at=most)
        rates = zip(values(what=RATE), figures.values(of, at=few, what=RATE), strict=True)
        kept = [many / one for many, one in rates]
        yield Bar(f"{of}, {most}: of the rate at {few}", 0.9, kept)
        most_mb = [max(values(what=MEMORY))]
        yield Bar(f"{of}, {most}: memory", 200, most_mb, unit="MB", is_ceiling=True)
        for page in _PAGES:
            yield Bar(f"{of}, {most}: {page}", 50, values(what=page), unit="ms", is_ceiling=True)
        scrapes = values(what=SCRAPE)
        yield Bar(f"{of}, {most}: {SCRAPE}", 20, scrapes, unit="ms", is_ceiling=True)
        yield Bar(f"{of}, {most}: {START}", 2, values(what=START), unit="s", is_ceiling=True)


@dataclass
class _Store:
    """A store with open callbacks.

    Attributes:
        of: Whose figures these are.
        url: Where it is.
        keys: The link keys of its gateways.
        at: How many wait there.
        bearer: An operator's key.
        left: The paths of unused links, in no order.
    """

    of: str
    url: str
    keys: Keys
    at: str
    bearer: str
    left: list[str] = field(repr=False)

    @classmethod
    async def make(cls, of: str, url: str, *, keys: Keys, count: int) -> "_Store":
        """Open `count` callbacks in the empty store at `url`."""
        real = min(count, _REAL)
        paths = await open_questions(url, keys, real)
        if count > real:
            filled = await fill(url, count - real)
            most = min(TIMES * (_WARM_UP + _ROUNDS * _ANSWERS), len(filled))
            paths = await _links(url, keys, random.Random(0).sample(filled, k=most))  # noqa: S311 - the same in each run
        random.Random(1).shuffle(paths)  # noqa: S311 - as above
        return cls(of, url, keys, f"{count:,} open", await _operator_key(url), paths)

    async def fill_up(self, count: int) -> None:
        """Open what is missing so that `count` can be answered."""
        missing = count - len(self.left)
        if missing > 0:
            self.left += await open_questions(self.url, self.keys, missing)

    def take(self, count: int) -> Sequence[str]:
        """Return unused paths."""
        taken, self.left = self.left[:count], self.left[count:]
        return taken


async def _links(url: str, keys: Keys, ids: Sequence[str]) -> list[str]:
    async with opened_store(Settings(store=SecretStr(url)), SystemClock()) as store:
        found = await store.find([CallbackId(id_) for id_ in ids])
    links = (Link(one.id, one.verbs, one.link_expires_at, one.key_id) for one in found.values())
    return [f"/c/{keys.ring.sign(link)}" for link in links]


async def _operator_key(url: str) -> str:
    key_id, secret = new_key_id(secrets.token_bytes(ID_BYTES)), secrets.token_bytes(SECRET_BYTES)
    made = new_secret(secret)
    async with opened_store(Settings(store=SecretStr(url)), SystemClock()) as store:
        await store.add_key(NewKey(key_id, "bench", Role.OPERATOR, digest_secret(made)))
    return to_text(key_id, made)


@asynccontextmanager
async def _started(
    store: _Store, folder: Path, note: "partial[None]"
) -> AsyncIterator[tuple[Program, str]]:
    began = time.perf_counter()
    with silent_temporal() as temporal:
        async with gateway(store.url, store.keys, temporal=temporal, folder=folder) as ready:
            note(time.perf_counter() - began, "s", what=START)
            yield ready


async def _measure_one(bench: Bench, notes: Notes, store: _Store) -> None:
    note = partial(notes.add, of=store.of, at=store.at)
    await store.fill_up(bench.scaled(_REAL))
    async with _started(store, bench.new_folder(), note) as (server, url):
        before = server.memory()
        for page, path in _PAGES.items():
            note(await _p95(url + path, store.bearer), "ms", what=page)
        note(await _scrape_p90(url, _SCRAPED if not bench.is_quick else 3), "ms", what=SCRAPE)
        held = await count_accepted(store.url)
        await _answered(url, store.take(bench.scaled(_WARM_UP)))
        took = 0.0
        for _ in range(_ROUNDS):
            await store.fill_up(bench.scaled(_REAL))
            took += await _answered(url, store.take(bench.scaled(_ANSWERS)))
        note(_ROUNDS * bench.scaled(_ANSWERS) / took, "/s", what=RATE)
        cpu_before = server.cpu_seconds()
        await asyncio.sleep(_IDLE_SECONDS)
        used = server.cpu_seconds() - cpu_before
        note(100 * used / _IDLE_SECONDS, "%", what=IDLE)
        note(server.memory(), "MB", what=MEMORY)
        note(server.memory() - before, "MB", what=GROWN)
        await server.kill()
    taken = bench.scaled(_WARM_UP) + _ROUNDS * bench.scaled(_ANSWERS)
    await check_kept(store.url, held + taken)


async def _p95(url: str, bearer: str) -> float:
    """Return the 95th percentile of the time of some requests, in milliseconds."""
    took = []
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
        for _ in range(_LISTED):
            began = time.perf_counter()
            reply = await http.get(url, headers={"authorization": f"Bearer {bearer}"})
            took.append(1000 * (time.perf_counter() - began))
            reply.raise_for_status()
    return percentile(took, 95)


async def _scrape_p90(url: str, times: int) -> float:
    """Return the 90th percentile of the time of scrapes that read the store, in milliseconds.

    Raises:
        DriveError: The store was not read, or its callbacks were not counted in that time.
    """
    took, text = [], ""
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
        for _ in range(times):
            began = time.perf_counter()
            text = (await http.get(f"{url}/metrics")).text
            took.append(1000 * (time.perf_counter() - began))
            await asyncio.sleep(_APART_SECONDS)
    if "ringback_store_up 1.0" not in text or 'ringback_callbacks{state="open"}' not in text:
        msg = "the gauges of the store are missing"
        raise DriveError(msg)
    return percentile(took, 90)


async def _answered(url: str, paths: Sequence[str]) -> float:
    """Answer all of these; return how many seconds it took.

    Raises:
        DriveError: An answer was not taken.
    """
    load = await drive(url, paths, body=BODY, connections=_CONNECTIONS, seconds=_LONGEST_SECONDS)
    if load.good != len(paths):
        msg = f"of {len(paths)} answers {load.good} were taken"
        raise DriveError(msg)
    return load.seconds
