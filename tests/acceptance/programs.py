"""Real programs, started and ended by their own handles."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from temporalio.client import Client

from ringback.app.dev_server import dev_server_command
from ringback.app.web import free_ports
from ringback.temporal.connect import is_reachable

LIMIT_SECONDS = 30


def free_port() -> int:
    """Return a port that nobody uses now."""
    return free_ports(1)[0]


@dataclass
class Program:
    """A process, and all that it has printed."""

    process: Process
    lines: list[str] = field(default_factory=list)

    async def line(self, containing: str) -> str:
        """Return the next line that contains `containing`."""
        assert self.process.stdout is not None
        async with asyncio.timeout(LIMIT_SECONDS):
            async for raw in self.process.stdout:
                line = raw.decode().rstrip()
                self.lines.append(line)
                if containing in line:
                    return line
        raise AssertionError("\n".join(self.lines))

    async def end(self) -> int:
        """Return the exit code once the program has ended by itself."""
        assert self.process.stdout is not None
        async with asyncio.timeout(LIMIT_SECONDS):
            async for raw in self.process.stdout:
                self.lines.append(raw.decode().rstrip())
            return await self.process.wait()

    @property
    def output(self) -> str:
        """All that was read of what it printed."""
        return "\n".join(self.lines)

    async def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        await self.process.wait()

    async def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        await self.process.wait()


@asynccontextmanager
async def program(words: list[str], environment: Mapping[str, str]) -> AsyncIterator[Program]:
    """Run a program for the block; it is killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.terminate()
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
async def temporal_server(port: int, database: Path) -> AsyncIterator[Program]:
    """Run a Temporal server that keeps its data, for the block."""
    command = dev_server_command(port=port, ui_port=None, database=database)
    async with program(command, {}) as server:
        client = await Client.connect(f"127.0.0.1:{port}", lazy=True)
        async with asyncio.timeout(LIMIT_SECONDS):
            while not await is_reachable(client):
                pass
        yield server


async def until_ready(url: str, *, temporal: str | None = None) -> None:
    """Return once the gateway at `url` is ready."""
    async with httpx2.AsyncClient() as http, asyncio.timeout(LIMIT_SECONDS):
        while True:
            try:
                reply = await http.get(f"{url}/readyz")
            except httpx2.TransportError:
                continue
            if reply.status_code == 200 and temporal in {None, reply.json()["temporal"]}:
                return
