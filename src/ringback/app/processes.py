"""Several gateway processes on one port: a small parent starts them, and restarts those that end.

The parent handles no HTTP and opens no store. Each process is a complete gateway that may be killed
alone: it has its own socket, and the system spreads new connections over the sockets of the port.
"""

import asyncio
import logging
import socket
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from ringback.app.parent_death import end_with_parent
from ringback.core.services import task_group
from ringback.domain.durations import backoff
from ringback.ports.clock import Clock

logger = logging.getLogger(__name__)

STOP_SECONDS: Final = 20
"""How long a process may take to stop before it is killed: it needs about two."""

_FIRST_PAUSE: Final = timedelta(seconds=0.5)
_LONGEST_PAUSE: Final = timedelta(seconds=30)

_STEADY: Final = timedelta(minutes=1)
"""A process that ran this long is restarted after the first pause again."""


class StartFailedError(Exception):
    """A process ended with an error, which it has printed, before all were ready.

    Attributes:
        code: Its exit code.
    """

    def __init__(self, code: int) -> None:
        """Report `code`."""
        super().__init__(f"a gateway process ended with code {code} at its start")
        self.code = code


@dataclass(frozen=True, slots=True)
class Command:
    """How to run one process, which prints one line when it is ready.

    Attributes:
        words: The program and its arguments.
        environment: All of its environment, which may contain secrets.
    """

    words: Sequence[str]
    environment: Mapping[str, str]

    def __repr__(self) -> str:
        """Leave out the environment."""
        return f"Command({list(self.words)!r})"


class Supervisor:
    """Runs one process for each command until canceled; then stops all of them."""

    def __init__(
        self,
        commands: Sequence[Command],
        *,
        clock: Clock,
        jitter: Callable[[], float],
        on_ready: Callable[[], None],
    ) -> None:
        """Run `commands`; call `on_ready` when all are ready for the first time."""
        self._commands = commands
        self._clock = clock
        self._jitter = jitter
        self._on_ready = on_ready
        self._ready = [asyncio.Event() for _ in commands]
        self._have_started = False

    async def run(self) -> None:
        """Run until canceled.

        The first process starts alone: it creates what the others share, and reports a wrong
        setting once.

        Raises:
            StartFailedError: A process ended with an error before all were ready.
        """
        async with task_group() as group:
            for number in range(len(self._commands)):
                group.create_task(self._keep_running(number), name=f"gateway process {number}")
                if number == 0:
                    await self._ready[0].wait()
            for ready in self._ready:
                await ready.wait()
            self._have_started = True
            self._on_ready()

    async def _keep_running(self, number: int) -> None:
        failures = 0
        while True:
            began = self._clock.monotonic()
            code = await self._run_once(number)
            # A negative code is the signal that ended it.
            if code > 0 and not self._have_started:
                raise StartFailedError(code)
            if self._clock.monotonic() - began >= _STEADY:
                failures = 0
            failures += 1
            pause = backoff(
                failures, jitter=self._jitter(), first=_FIRST_PAUSE, longest=_LONGEST_PAUSE
            )
            facts = {"process_number": number, "code": code, "pause": pause.total_seconds()}
            logger.warning("gateway process ended: it starts again", extra=facts)
            await self._clock.sleep(pause)

    async def _run_once(self, number: int) -> int:
        """Run a process until it ends; return its exit code."""
        command = self._commands[number]
        async with _output(self._ready[number]) as output:
            process = await asyncio.create_subprocess_exec(
                *end_with_parent(command.words),
                env=command.environment,
                stdin=DEVNULL,
                stdout=output.fileno(),
                # Ctrl-C in a terminal reaches the parent only, which stops all in the same way.
                start_new_session=True,
            )
            try:
                return await process.wait()
            finally:
                await _stop(process, number)


@asynccontextmanager
async def _output(ready: asyncio.Event) -> AsyncIterator[socket.socket]:
    """Yield a socket for the output of a process; its first bytes set `ready`.

    With a pipe of asyncio, waiting for the process would last until every program that it has
    started has ended, too.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_unix_connection(lambda: _Output(ready), sock=ours)
        try:
            yield theirs
        finally:
            transport.close()


class _Output(asyncio.Protocol):
    def __init__(self, ready: asyncio.Event) -> None:
        self._ready = ready

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 - asyncio's
        """Note that the process is ready; what it prints is for the parent only."""
        self._ready.set()


async def _stop(process: Process, number: int) -> None:
    """Stop `process` if it still runs: gracefully, or else by a kill."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        facts = {"process_number": number, "seconds": STOP_SECONDS}
        logger.warning("gateway process killed: it did not stop in time", extra=facts)
        process.kill()
        await process.wait()
        return
    if process.returncode:
        ended = {"process_number": number, "code": process.returncode}
        logger.warning("gateway process failed: it stopped with an error", extra=ended)
