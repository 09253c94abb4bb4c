"""Child processes: started together, watched, and never left behind."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ringback.app.tied import tied
from ringback.domain.errors import ProgramEndedError

_STOP_SECONDS: Final = 2
"""How long a child may take to stop before it is killed."""

_LONGEST_LINE: Final = 1024 * 1024
_LAST_LINES: Final = 10


@dataclass(frozen=True, slots=True)
class Command:
    """How to start a child.

    Attributes:
        name: For people.
        words: The program and its arguments.
        environment: What is set for it besides this process's own environment.
    """

    name: str
    words: Sequence[str]
    environment: Mapping[str, str]


def ringback_command(name: str, *words: str, **environment: str) -> Command:
    """Return the command that runs `ringback` with `words` on this interpreter."""
    return Command(name, [sys.executable, "-m", "ringback", *words], environment)


class Child:
    """A running child process, and what it prints."""

    def __init__(self, name: str, process: Process, on_line: Callable[[str, str], None]) -> None:
        """Tell `on_line` each line with the child's name."""
        self.name = name
        self._process = process
        self._on_line = on_line
        self._ready = asyncio.Event()
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)

    @property
    def last_words(self) -> str:
        """The last lines that the child printed."""
        return "\n".join(self._last_lines)

    async def follow(self) -> int:
        """Read what the child prints until it ends; return its exit code."""
        assert self._process.stdout is not None, "started with a pipe"
        async for raw in self._process.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            self._last_lines.append(line)
            if line.startswith("ready"):
                self._ready.set()
            self._on_line(self.name, line)
        return await self._process.wait()

    async def ready(self) -> None:
        """Return when the child has printed a line that begins with `ready`."""
        await self._ready.wait()

    async def stop(self) -> None:
        """Ask the child to stop; after a while, kill it. Returns when it is gone."""
        if self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


class Children:
    """Starts children in a task group that fails when one of them ends by itself."""

    def __init__(self, group: asyncio.TaskGroup, on_line: Callable[[str, str], None]) -> None:
        """Watch children in `group`; tell `on_line` each line with the name of who printed it."""
        self._group = group
        self._on_line = on_line
        self._children: list[Child] = []
        self._watches: list[asyncio.Task[None]] = []

    async def start(self, command: Command) -> Child:
        """Start a child that is to run until it is stopped."""
        child = await _start(command, self._on_line)
        self._children.append(child)
        self._watches.append(self._group.create_task(_must_last(child), name=child.name))
        return child

    async def stop(self) -> None:
        """Stop all children: the first one, which the others use, when the others have gone."""
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*(child.stop() for child in self._children[1:]))
        await asyncio.gather(*(child.stop() for child in self._children[:1]))


async def run_to_end(command: Command, on_line: Callable[[str, str], None]) -> int:
    """Run a child until it ends, and return its exit code."""
    child = await _start(command, on_line)
    try:
        return await child.follow()
    finally:
        await child.stop()


async def _start(command: Command, on_line: Callable[[str, str], None]) -> Child:
    process = await asyncio.create_subprocess_exec(
        *tied(command.words),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        env={**os.environ, **command.environment},
        limit=_LONGEST_LINE,
        # Ctrl-C reaches this process only, which stops its children in order.
        start_new_session=True,
    )
    return Child(command.name, process, on_line)


async def _must_last(child: Child) -> None:
    code = await child.follow()
    msg = f"{child.name} ended with exit code {code}\n{child.last_words}".rstrip()
    raise ProgramEndedError(msg)
