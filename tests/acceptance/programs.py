"""Start, freeze and kill real programs."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx2
from temporalio.client import Client

from ringback.app.dev_server import dev_server_command
from ringback.app.web import free_ports
from ringback.core.services import task_group
from ringback.domain.errors import TemporalUnreachableError
from ringback.temporal.connect import check_connection
from tests.acceptance import preloaded_cli
from tests.acceptance.preloaded_cli import PreloadedProcess
from tests.polling import pause

LIMIT_SECONDS = 30
ROOT: Final = Path(__file__).parents[2]


def free_port() -> int:
    """Return a free port."""
    return free_ports(1)[0]


@dataclass
class Program:
    """A process, and the lines that it has printed."""

    process: Process | PreloadedProcess
    lines: list[str] = field(default_factory=list)
    _seen: int = 0
    _is_silent: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self) -> None:
        """Read its output until it ends, because a full pipe would block it."""
        assert self.process.stdout is not None
        async for raw in self.process.stdout:
            self.lines.append(raw.decode().rstrip())
            self._news.set()
        self._is_silent = True
        self._news.set()

    async def line(self, containing: str) -> str:
        """Return the next line that contains `containing`."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                for line in self.lines[self._seen :]:
                    self._seen += 1
                    if containing in line:
                        return line
                assert not self._is_silent, self.output
                self._news.clear()
                await self._news.wait()

    async def times(self, containing: str, count: int) -> None:
        """Return once it has printed `count` lines that contain `containing`."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while sum(containing in line for line in self.lines) < count:
                assert not self._is_silent, self.output
                self._news.clear()
                await self._news.wait()

    async def end(self) -> int:
        """Return the exit code once the program has ended."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while not self._is_silent:
                self._news.clear()
                await self._news.wait()
            return await self.process.wait()

    @property
    def output(self) -> str:
        """Everything that it has printed."""
        return "\n".join(self.lines)

    async def kill(self) -> None:
        """Kill it, as a power cut would."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        await self.process.wait()

    def freeze(self) -> None:
        """Freeze it with SIGSTOP."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it continue."""
        self.process.send_signal(signal.SIGCONT)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze it for the block."""
        self.freeze()
        try:
            yield
        finally:
            self.thaw()


@asynccontextmanager
async def program(words: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[Program]:
    """Run a program for the block, and stop it afterwards."""
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        cwd=ROOT,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    async with _followed(process) as running:
        yield running


@asynccontextmanager
async def preloaded(words: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[Program]:
    """Run `ringback` with `words` for the block, without the seconds that its imports take."""
    if any(name.startswith("PYTHON") for name in environment):
        # Only a new interpreter reads these variables.
        async with program(ringback(*words), environment) as running:
            yield running
        return
    async with (
        preloaded_cli.started(words, {**os.environ, **environment}, ROOT) as process,
        _followed(process) as running,
    ):
        yield running


@asynccontextmanager
async def _followed(process: Process | PreloadedProcess) -> AsyncIterator[Program]:
    running = Program(process)
    async with task_group() as group:
        following = group.create_task(running.follow())
        try:
            yield running
        finally:
            await _stop(process)
            following.cancel()


async def _stop(process: Process | PreloadedProcess) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    process.send_signal(signal.SIGCONT)
    try:
        async with asyncio.timeout(5):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def ringback(*words: str) -> list[str]:
    """Return the command that runs `ringback`."""
    return [sys.executable, "-m", "ringback", *words]


@asynccontextmanager
async def temporal_server(address: str, database: Path, *options: str) -> AsyncIterator[Program]:
    """Run a Temporal server with a persistent database for the block."""
    port = int(address.rpartition(":")[2])
    command = dev_server_command(port=port, ui_port=None, database=database)
    async with program([*command, *options], {}) as server:
        await server.line("Temporal Server:")
        client = await Client.connect(address, lazy=True)
        async with asyncio.timeout(LIMIT_SECONDS):
            while not await _answers(client):
                await pause()
        yield server
        # A graceful stop takes seconds and is not what is tested.
        await server.kill()


async def _answers(client: Client) -> bool:
    try:
        await check_connection(client)
    except TemporalUnreachableError:
        return False
    return True


async def until_ready(url: str, *, temporal: str | None = None) -> None:
    """Return once the gateway at `url` is ready."""
    async with httpx2.AsyncClient(verify=False) as http, asyncio.timeout(LIMIT_SECONDS):
        while True:
            try:
                reply = await http.get(f"{url}/readyz")
            except httpx2.TransportError:
                await pause()
                continue
            if reply.status_code == 200 and temporal in {None, reply.json()["temporal"]}:
                return
            await pause()
