"""Real programs: started, watched for what they cost, and ended."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

from ringback.app.parent_death import end_with_parent
from ringback.core.services import task_group

START_SECONDS: Final = 60
"""How long a program may take to be ready."""

_STOP_SECONDS: Final = 1
_LOOK_EVERY_SECONDS: Final = 0.02
_LAST_LINES: Final = 20
_MEGABYTE: Final = 1_000_000
_READY: Final = "ready "


class NotStartedError(Exception):
    """A program did not get ready; the message has its last words."""


class MissingToolError(Exception):
    """A compared program is missing on this machine; the message says how to install it."""


class Program:
    """A running program."""

    def __init__(self, process: Process) -> None:
        """Watch `process`."""
        self._process = process
        self._seen = psutil.Process(process.pid)
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._told = asyncio.Event()
        self._ready: str | None = None

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    @property
    def last_words(self) -> str:
        """The last lines that it printed."""
        return "\n".join(self._last_lines)

    def cpu_seconds(self) -> float:
        """Return how much of a processor it and its children have used."""
        times = [one.cpu_times() for one in self._family()]
        return sum(one.user + one.system for one in times)

    def memory(self) -> float:
        """Return how much memory it holds now, in MB: its resident set."""
        return float(self._seen.memory_info().rss) / _MEGABYTE

    def peak_memory(self) -> float:
        """Return the most memory that it has ever held, in MB: the highest of its resident set."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        (peak,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        return int(peak) * 1024 / _MEGABYTE

    def freeze(self) -> None:
        """Pause it: its system accepts connections, and it never replies."""
        for one in self._family():
            one.suspend()

    def thaw(self) -> None:
        """Let it go on, if it is there still."""
        with suppress(psutil.NoSuchProcess):
            for one in self._family():
                one.resume()

    async def follow(self) -> None:
        """Read what it prints until it has ended; a full pipe would hold it up."""
        assert self._process.stdout is not None, "started with a pipe"
        async for raw in self._process.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            self._last_lines.append(line)
            if line.startswith(_READY):
                self._ready = line.removeprefix(_READY)
                self._told.set()
        self._told.set()

    async def ready(self) -> str:
        """Return what it says it is ready with, as the programs of Ringback do.

        Raises:
            NotStartedError: It ended, or took too long.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                await self._told.wait()
        if self._ready is None:
            raise NotStartedError(self.last_words)
        return self._ready

    async def until(self, is_ready: Callable[[], Awaitable[bool]]) -> None:
        """Return once `is_ready`.

        Raises:
            NotStartedError: It ended, or took too long.
        """
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await is_ready():
                    if self._process.returncode is not None:
                        raise NotStartedError(self.last_words)
                    await asyncio.sleep(_LOOK_EVERY_SECONDS)
        except TimeoutError:
            raise NotStartedError(self.last_words) from None

    async def stop(self) -> None:
        """Ask it to stop; after a while, kill it."""
        if self._process.returncode is not None:
            return
        self._process.terminate()
        self.thaw()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    def _family(self) -> list[psutil.Process]:
        return [self._seen, *self._seen.children(recursive=True)]


@asynccontextmanager
async def running(
    words: Sequence[str], *, cwd: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Program]:
    """Run a program for the block; it does not outlive this process."""
    process = await asyncio.create_subprocess_exec(
        *end_with_parent(words),
        cwd=cwd,
        env={**plain_environment(), **(environment or {})},
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        limit=_MEGABYTE,
    )
    program = Program(process)
    async with task_group() as group:
        following = group.create_task(program.follow())
        try:
            yield program
        finally:
            await program.stop()
            following.cancel()


def plain_environment() -> dict[str, str]:
    """Return the environment without what would change a program that is measured."""
    ours = ("RINGBACK_", "TEMPORAL_", "RESTATE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def python(*words: str) -> list[str]:
    """Return the command that runs a module on this interpreter."""
    return [sys.executable, "-m", *words]
