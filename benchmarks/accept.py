"""How many answers a second one gateway keeps, beside requests that do nothing.

Run by `make bench`. `README.md` beside this file says what is measured and what is not.
"""

import asyncio
import json
import os
import platform
import secrets
import socket
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import httpx2
from rich.console import Console
from rich.table import Table

import ringback
from ringback.app.program import run
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock, callback_ids
from ringback.app.web import bound_socket
from ringback.domain.asking import Wish
from ringback.domain.callback import ActivityExecution, State
from ringback.domain.link import ALL_VERBS, KEY_BYTES, Keyring, Link
from ringback.domain.query import Query
from ringback.settings import Settings

CONNECTIONS: Final = (1, 16, 64)
SECONDS: Final = 2.0
"""How long a run lasts at most."""

MOST: Final = 2000
"""How many requests a run makes at most: so many callbacks wait for it."""

BODY: Final = json.dumps("r" * 198).encode()
"""What every answer says: JSON of 200 bytes."""

_JSON: Final = {"content-type": "application/json"}
_WARM_UP: Final = 50
_AT_ONCE: Final = 500
_FSYNCS: Final = 50


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of requests showed.

    Attributes:
        seconds: How long it lasted.
        cpu_seconds: How much of a processor this client used meanwhile.
        took: How long each request took, in seconds.
    """

    seconds: float
    cpu_seconds: float
    took: Sequence[float]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.took) / self.seconds

    @property
    def client_busy(self) -> float:
        """Which part of a processor the client used; near 1, the client is the limit."""
        return self.cpu_seconds / self.seconds


class Place:
    """A folder with a store and a key of its own, for one gateway."""

    def __init__(self, folder: Path) -> None:
        """Make a key in `folder`."""
        self._folder = folder
        self._settings = Settings(data=folder, store=f"sqlite:///{folder / 'ringback.db'}")
        key = secrets.token_bytes(KEY_BYTES)
        self._keyring = Keyring({"bench": key}, signing="bench")
        self._keys_file = folder / "keys"
        self._keys_file.touch(0o600)
        self._keys_file.write_text(f"bench:{key.hex()}\n")

    async def open_callbacks(self, count: int) -> list[str]:
        """Open callbacks that nobody has answered; return the path of the link to each."""
        wishes = list(_wishes(count))
        async with opened_store(self._settings, SystemClock()) as store:
            for first in range(0, count, _AT_ONCE):
                await store.open(wishes[first : first + _AT_ONCE])
        links = (Link(one.id, one.verbs, one.link_expires_at, one.key_id) for one in wishes)
        return [f"/c/{self._keyring.sign(link)}" for link in links]

    async def count_accepted(self) -> int:
        """Return how many answers the store holds."""
        async with opened_store(self._settings, SystemClock()) as store:
            query = Query(states=frozenset({State.ACCEPTED}))
            found = await store.page(query, after=None, limit=MOST)
        return len(found)

    @asynccontextmanager
    async def gateway(self, temporal: str) -> AsyncIterator[str]:
        """Run `ringback serve` for the block, and kill it at the end; yield its URL."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ringback", "serve", "--port", "0"),
            cwd=self._folder,
            env={**_plain_environment(), **self._environment(), "TEMPORAL_ADDRESS": temporal},
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=DEVNULL,
        )
        try:
            assert process.stdout is not None, "started with a pipe"
            words = (await process.stdout.readline()).decode().split()
            if words[:1] != ["ready"]:
                sys.exit("ringback serve did not start")
            yield words[1]
        finally:
            process.kill()
            await process.wait()

    def _environment(self) -> dict[str, str]:
        return {
            "RINGBACK_DATA": str(self._folder),
            "RINGBACK_STORE": f"sqlite:///{self._settings.database_path}",
            "RINGBACK_KEYS_FILE": str(self._keys_file),
        }

    def fsync_seconds(self) -> float:
        """Return how long it takes here to make 4 KiB durable."""
        took = []
        with (self._folder / "probe").open("wb", buffering=0) as file:
            for _ in range(_FSYNCS):
                began = time.perf_counter()
                file.write(bytes(4096))
                os.fsync(file.fileno())
                took.append(time.perf_counter() - began)
        return median(took)


def _plain_environment() -> dict[str, str]:
    ours = ("RINGBACK_", "TEMPORAL_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _wishes(count: int) -> Iterator[Wish]:
    clock = SystemClock()
    new_id, now = callback_ids(clock), clock.now()
    for number in range(count):
        yield Wish(
            id=new_id(),
            ref=ActivityExecution("default", f"bench-{number}", "none", "1", now),
            workflow_type="Bench",
            activity_type="wait",
            task_queue="bench",
            attempt=1,
            attempt_started_at=now,
            task_token=None,
            timeout_at=None,
            verbs=ALL_VERBS,
            key_id="bench",
            link_expires_at=now + timedelta(hours=1),
        )


async def drive(
    http: httpx2.AsyncClient, requests: Iterable[httpx2.Request], *, wanted: int, workers: int
) -> Run:
    """Send `requests` from `workers` at a time, until all are sent or the time is up."""
    took: list[float] = []
    waiting = iter(requests)
    began, cpu_began = time.perf_counter(), time.process_time()

    async def work() -> None:
        for request in waiting:
            sent = time.perf_counter()
            if sent - began > SECONDS:
                return
            reply = await http.send(request)
            took.append(time.perf_counter() - sent)
            if reply.status_code != wanted:
                sys.exit(f"{request.method} was answered with {reply.status_code}: {reply.text}")

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
    return Run(time.perf_counter() - began, time.process_time() - cpu_began, took)


@contextmanager
def silent_temporal() -> Iterator[str]:
    """Yield an address that takes connections and says nothing: deliveries begin, and hang."""
    with bound_socket("127.0.0.1", 0) as listening:
        yield _address(listening)


@contextmanager
def refusing_temporal() -> Iterator[str]:
    """Yield an address that refuses connections: deliveries fail at once, and are tried again."""
    with bound_socket("127.0.0.1", 0) as listening:
        address = _address(listening)
    yield address


def _address(listening: socket.socket) -> str:
    return f"127.0.0.1:{listening.getsockname()[1]}"


async def measure(
    temporal: AbstractContextManager[str], console: Console, *, connections: int
) -> tuple[Run, Run]:
    """Return a run that does nothing and a run of answers, through one gateway of their own."""
    with tempfile.TemporaryDirectory(prefix="ringback-bench-") as folder, temporal as address:
        place = Place(Path(folder))
        paths = await place.open_callbacks(MOST)
        with console.status(f"{connections} connections"):
            async with place.gateway(address) as url, _client(url, connections) as http:
                looks = [http.build_request("GET", "/healthz") for _ in range(MOST)]
                posts = [
                    http.build_request("POST", path, content=BODY, headers=_JSON) for path in paths
                ]
                await drive(http, looks[:_WARM_UP], wanted=200, workers=connections)
                nothing = await drive(http, looks[_WARM_UP:], wanted=200, workers=connections)
                answers = await drive(http, posts, wanted=202, workers=connections)
        await _check_kept(place, answers)
    return nothing, answers


def _client(url: str, connections: int) -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
    return httpx2.AsyncClient(base_url=url, limits=limits, timeout=30, trust_env=False)


async def _check_kept(place: Place, answers: Run) -> None:
    kept = await place.count_accepted()
    if kept != len(answers.took):
        sys.exit(f"{len(answers.took)} answers got 202, but the store holds {kept}")


async def main() -> None:
    """Measure with few and many connections, and print a table."""
    console = Console(highlight=False, width=100)
    table = Table(
        "connections", "GET /s", "POST /s", "ratio", "median", "p99", "busy", "refused /s"
    )
    for connections in CONNECTIONS:
        nothing, answers = await measure(silent_temporal(), console, connections=connections)
        _, refused = await measure(refusing_temporal(), console, connections=connections)
        table.add_row(str(connections), *_figures(nothing, answers), f"{refused.rate:.0f}")
    console.print(table)
    console.print(_legend())


def _figures(nothing: Run, answers: Run) -> list[str]:
    return [
        f"{nothing.rate:.0f}",
        f"{answers.rate:.0f}",
        f"{answers.rate / nothing.rate:.2f}",
        f"{median(answers.took) * 1000:.1f} ms",
        f"{quantiles(answers.took, n=100)[98] * 1000:.1f} ms",
        f"{nothing.client_busy:.0%}, {answers.client_busy:.0%}",
    ]


def _legend() -> str:
    with tempfile.TemporaryDirectory(prefix="ringback-bench-") as folder:
        fsync = Place(Path(folder)).fsync_seconds()
    return (
        "GET      GET /healthz, which does nothing\n"
        f"POST     POST /c/{{link}}, {len(BODY)} bytes, each to a callback of its own; a 202 means "
        "committed\n"
        "ratio    POST to GET; median and p99 are of POST\n"
        "busy     how much of one processor the client used, GET and POST; near 100 % the client "
        "is the limit\n"
        "refused  POST while Temporal refuses connections, so that deliveries fail and are tried"
        " again;\n"
        "         in the columns before it takes them and says nothing\n\n"
        f"Ringback {ringback.__version__}, Python {platform.python_version()}, "
        f"{platform.machine()}, {os.cpu_count()} processors for gateway and client together.\n"
        f"Driven by one Python process with httpx2 {httpx2.__version__}.\n"
        f"Making 4 KiB durable takes {fsync * 1000:.2f} ms in the temporary folder that held the "
        "store.\n"
        "After each run the gateway was killed, and every answer that got a 202 was in the store."
    )


if __name__ == "__main__":
    run(main())
