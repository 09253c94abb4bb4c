"""Programs: started, watched, killed, frozen, and restarted as by a supervisor."""

import asyncio
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ringback.app.parent_death import end_with_parent

_LOOK_EVERY_SECONDS: Final = 0.05
_RESTART_SECONDS: Final = 0.3
_STOP_SECONDS: Final = 3
_READY_SECONDS: Final = 60
_LAST_LINES: Final = 10


class NotReadyError(Exception):
    """A program did not start; the message names its log."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to run a program.

    Attributes:
        name: For people, and for its log.
        words: The command line.
        environment: Its complete environment.
        folder: Where it runs, and where its log is written.
        is_ready: Returns whether it works.
    """

    name: str
    words: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    is_ready: Callable[[], Awaitable[bool]]

    @property
    def log(self) -> Path:
        """Its log file."""
        return self.folder / f"{self.name}.log"

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start it; it ends with this process, even if that is killed."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                end_with_parent(self.words),
                cwd=self.folder,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


@dataclass
class Program:
    """A program that is restarted when it ends.

    Attributes:
        recipe: How it is run.
        exits: The exit codes of unexpected ends.
    """

    recipe: Recipe
    exits: Counter[int] = field(default_factory=Counter)
    _process: subprocess.Popen[bytes] | None = None
    _is_struck: bool = False
    _is_asked: bool = False
    _rest: float = _RESTART_SECONDS

    async def run(self) -> None:
        """Restart it until canceled; then stop it."""
        try:
            while True:
                self._rest, self._is_struck = _RESTART_SECONDS, False
                self._process = self.recipe.spawn()
                while self._process.poll() is None:  # noqa: ASYNC110 - a process tells nobody
                    await asyncio.sleep(_LOOK_EVERY_SECONDS)
                if not self._is_struck:
                    self.exits[self._process.returncode] += 1
                await asyncio.sleep(self._rest)
        finally:
            self.ask_to_stop()
            self._see_it_end()

    async def ready(self) -> None:
        """Wait until it works.

        Raises:
            NotReadyError: It takes too long.
        """
        try:
            async with asyncio.timeout(_READY_SECONDS):
                while not (self._is_up() and await self.recipe.is_ready()):  # noqa: ASYNC110 - the same
                    await asyncio.sleep(_LOOK_EVERY_SECONDS)
        except TimeoutError as exc:
            msg = f"{self.recipe.name} does not come up; see {self.recipe.log}"
            raise NotReadyError(msg) from exc

    async def standing(self) -> str:
        """Return whether it runs, and the end of its log."""
        is_up = self._is_up() and await self.recipe.is_ready()
        printed = self.recipe.log.read_text(errors="replace").splitlines()
        last = [f"    {line}" for line in printed[-_LAST_LINES:]]
        return "\n".join([f"{self.recipe.name} {'is up' if is_up else 'is down'}", *last])

    def kill(self, rest: float) -> bool:
        """Kill it; it restarts after `rest` seconds. Return whether it ran."""
        if not self._is_up():
            return False
        self._is_struck, self._rest = True, rest
        self._signal(signal.SIGKILL)
        return True

    def freeze(self) -> bool:
        """Freeze it; return whether it ran."""
        return self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume it."""
        self._signal(signal.SIGCONT)

    def _is_up(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _signal(self, number: signal.Signals) -> bool:
        if self._process is None or self._process.poll() is not None:
            return False
        for pid in [self._process.pid, *_descendants(self._process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return True

    def ask_to_stop(self) -> None:
        """Terminate it, once."""
        if self._process is not None and self._is_up() and not self._is_asked:
            self._is_asked = True
            self.thaw()
            self._process.send_signal(signal.SIGINT)

    def _see_it_end(self) -> None:
        if self._process is None or not self._is_up():
            return
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()


def _descendants(pid: int) -> list[int]:
    """Return the child processes of `pid`, where `/proc` exists; a database has several."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name is in parentheses, and may contain anything.
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]
