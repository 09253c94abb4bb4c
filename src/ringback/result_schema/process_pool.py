"""Run checks in other processes, each under a limit of time and memory."""

import asyncio
import subprocess
import sys
import weakref
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Final

MOST_PROCESSES: Final = 2
MOST_SECONDS: Final = 10.0
"""Maximum time for one check, should the limit of its CPU time fail to end it."""


class CheckTookTooLongError(Exception):
    """A check exceeded its time or memory; the process that ran it is gone."""


class Pool:
    """Runs checks in other processes. One that exceeds its limits is ended and replaced."""

    def __init__(self) -> None:
        """Start no process yet."""
        self._threads = ThreadPoolExecutor(MOST_PROCESSES, "result-check")
        self._idle: deque[_Process] = deque()

    async def run(self, *request: Any) -> Any:
        """Return the reply of a process to `request`.

        Raises:
            CheckTookTooLongError: It exceeded its time or memory.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, request)

    def _run(self, request: tuple[Any, ...]) -> Any:
        process = self._take()
        try:
            reply = process.ask(request)
        except (EOFError, OSError) as exc:
            process.end()
            raise CheckTookTooLongError from exc
        self._idle.append(process)
        return reply

    def _take(self) -> "_Process":
        while self._idle:
            process = self._idle.pop()
            if process.is_alive():
                return process
            process.end()
        return _Process()


class _Process:
    """A process that ends with this object, and by itself when the program ends."""

    def __init__(self) -> None:
        ours, theirs = Pipe()
        self._connection: Connection[Any, Any] = ours
        with theirs:
            self._popen = subprocess.Popen(  # noqa: S603 - this very interpreter
                [
                    sys.executable,
                    "-m",
                    "ringback.result_schema.check_process",
                    str(theirs.fileno()),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # An interrupt from the terminal is for the program that started it.
                start_new_session=True,
            )
        self.end = weakref.finalize(self, _end, ours, self._popen)

    def is_alive(self) -> bool:
        return self._popen.poll() is None

    def ask(self, request: tuple[Any, ...]) -> Any:
        self._connection.send(request)
        if not self._connection.poll(MOST_SECONDS):
            raise EOFError
        return self._connection.recv()


def _end(connection: "Connection[Any, Any]", popen: subprocess.Popen[bytes]) -> None:
    connection.close()
    popen.kill()
    popen.wait()
