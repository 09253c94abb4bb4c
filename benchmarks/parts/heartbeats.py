"""Heartbeats: how often Temporal is called to keep activities alive, and what each costs."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figures, Measured, Notes
from benchmarks.openers import Keepers, only_waits, opening, plugin_at, worker_key
from benchmarks.programs import Program, python, running
from benchmarks.questions import Keys, gateway
from benchmarks.rivals.heartbeat import path_of
from benchmarks.temporals import Meter, metered_server
from benchmarks.wrk import DriveError, drive

WORK: Final = "heartbeats"
TITLE: Final = "Heartbeats"
OURS: Final = "Ringback"
CALLS: Final = "calls to Temporal"
COMPARED: Final = CALLS
PLOTTED: Final = ()

EACH: Final = "a call for each"
SENT: Final = "heartbeats from outside"
OF_THE_BOUND: Final = "of the bound"
CPU: Final = "server's CPU"
CPU_EACH: Final = "server's CPU each"
QUIET: Final = "none from outside"
BUSY: Final = "as many from outside as are taken"

_ACTIVITIES: Final = 10_000
_OF_THE_RIVAL: Final = 1000
_TIMEOUT: Final = timedelta(minutes=2)
_GAP_SECONDS: Final = _TIMEOUT.total_seconds() / 2
_CONNECTIONS: Final = 16
_SENDING_SECONDS: Final = _GAP_SECONDS - 5
"""With the wait for the counts less than half a timeout: in it no activity may get two calls."""

_QUICK_SECONDS: Final = 5.0
_REPETITIONS: Final = 2

_RIVAL_SECONDS: Final = 5.0
_DETAILS: Final = b'{"percent": 17}'
_CALL: Final = "RecordActivityTaskHeartbeat"

METHOD: Final = f"""
{_ACTIVITIES:,} real activities wait on one real dev server with a heartbeat timeout of
{_TIMEOUT.total_seconds():.0f} s; the gateway keeps them alive (`heartbeat="gateway"`), on SQLite.
The server counts the calls and publishes its counts once per second; the benchmark waits for the
next count. The counted time is shorter than half a timeout, so the bound is one call per activity.

- **Ringback**: without heartbeats from senders, and with wrk sending them on {_CONNECTIONS}
  connections as fast as they are accepted, to all callbacks in turn.
- **A call for each**: a Starlette route with the raw task token in the query, which calls
  `handle.heartbeat` before it replies, to {_OF_THE_RIVAL:,} other activities.
- *CPU* is that of the process that accepts the heartbeats. Ours runs for nearly a minute, the other
  for five seconds. Measured twice.
"""


async def measure(bench: Bench) -> Iterable[Measured]:
    """Measure both of them, side by side."""
    notes = Notes()
    async with _kept_alive(bench) as stage:
        await bench.interleaved(
            [
                (f"{OURS}, {QUIET}", partial(_ours, stage, notes, sends=False)),
                (f"{OURS}, {BUSY}", partial(_ours, stage, notes, sends=True)),
                (EACH, partial(_each, stage, notes)),
            ],
            times=_REPETITIONS,
        )
    return notes.measured()


def bars(figures: Figures) -> Iterable[Bar]:
    """Return the bars of heartbeats."""
    calls = figures.values(OURS, at=BUSY, what=OF_THE_BOUND)
    sentence = "calls to Temporal, of one for each open callback in each half of its timeout"
    yield Bar(f"{BUSY}: {sentence}", 1, calls, is_ceiling=True)


@dataclass(frozen=True, slots=True)
class _Stage:
    """Activities that are kept alive.

    Attributes:
        bench: What is worked with.
        meter: Counts the calls to Temporal.
        server: The gateway.
        url: Where it is.
        paths: Where heartbeats for each activity go.
        rival: The server that calls Temporal for each.
        rival_url: Where that is.
        rival_paths: Where heartbeats for its activities go.
    """

    bench: Bench
    meter: Meter
    server: Program
    url: str
    paths: Sequence[str]
    rival: Program
    rival_url: str
    rival_paths: Sequence[str]


@asynccontextmanager
async def _kept_alive(bench: Bench) -> AsyncIterator[_Stage]:
    folder, keys = bench.new_folder(), Keys(bench.new_folder())
    store_url = f"sqlite:///{folder / 'ringback.db'}"
    keepers, count = Keepers(), bench.scaled(_ACTIVITIES)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        address, meter = await enter(metered_server(folder))
        # Each link sends heartbeats as fast as it can.
        more = {"RINGBACK_LINK_RATE": "0"}
        started = gateway(store_url, keys, temporal=address, folder=folder, more=more)
        server, url = await enter(started)
        plugin = plugin_at(url, await worker_key(store_url))
        opener = await enter(opening(address, keepers.wait, plugin=plugin))
        plain = await enter(opening(address, only_waits))
        await opener.suspend(count, heartbeat_timeout=_TIMEOUT)
        waiting = await plain.suspend(bench.scaled(_OF_THE_RIVAL))
        rival = await enter(running(_rival(address), cwd=bench.root))
        rival_paths = [path_of(one.task_token) for one in waiting]
        yield _Stage(
            bench, meter, server, url, keepers.paths, rival, await rival.ready(), rival_paths
        )


def _rival(address: str) -> list[str]:
    return python("benchmarks.rivals.heartbeat", address)


async def _ours(stage: _Stage, notes: Notes, *, sends: bool) -> None:
    seconds = _QUICK_SECONDS if stage.bench.is_quick else _SENDING_SECONDS
    at = BUSY if sends else QUIET
    watched = _Watched(stage.meter, stage.server, stage.url, stage.paths)
    await watched.run(notes, of=OURS, at=at, seconds=seconds, connections=_CONNECTIONS * sends)


async def _each(stage: _Stage, notes: Notes) -> None:
    watched = _Watched(stage.meter, stage.rival, stage.rival_url, stage.rival_paths)
    seconds = stage.bench.scaled(int(_RIVAL_SECONDS))
    await watched.run(notes, of=EACH, at=BUSY, seconds=seconds, connections=_CONNECTIONS)


@dataclass(frozen=True, slots=True)
class _Watched:
    """A server that takes heartbeats, and what it and Temporal do meanwhile."""

    meter: Meter
    server: Program
    url: str
    paths: Sequence[str]

    async def run(
        self, notes: Notes, *, of: str, at: str, seconds: float, connections: int
    ) -> None:
        """Send heartbeats on this number of connections, or none, and record the result.

        Raises:
            DriveError: One was refused.
        """
        loop = asyncio.get_running_loop()
        before, cpu_before, began = (
            await self.meter.calls(_CALL),
            self.server.cpu_seconds(),
            loop.time(),
        )
        sent = await self._send(seconds, connections)
        lasted = loop.time() - began
        used = self.server.cpu_seconds() - cpu_before
        note = partial(notes.add, of=of, at=at)
        note(sent / lasted, "/s", what=SENT)
        calls = await self.meter.calls(_CALL) - before
        note(calls / lasted, "/s", what=CALLS)
        if of == OURS:
            _check_stretch(loop.time() - began)
            note(calls / len(self.paths), "", what=OF_THE_BOUND)
        note(100 * used / lasted, "%", what=CPU)
        if sent:
            note(1000 * used / sent, "ms", what=CPU_EACH)

    async def _send(self, seconds: float, connections: int) -> int:
        if not connections:
            await asyncio.sleep(seconds)
            return 0
        load = await drive(
            self.url,
            self.paths,
            body=_DETAILS,
            connections=connections,
            seconds=seconds,
            again=True,
        )
        load.check("heartbeats")
        return load.answered


def _check_stretch(seconds: float) -> None:
    if seconds >= _GAP_SECONDS:
        msg = f"the counting took {seconds:.1f} s, in which an activity may get more than one call"
        raise DriveError(msg)
