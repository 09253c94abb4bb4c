"""Check results against JSON Schemas, without network access.

A check whose cost is bounded by the sizes of schema and result runs inline. Any other runs in
another process, whose time and memory are limited.
"""

import asyncio
import logging
import subprocess
import sys
import weakref
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Final

from ringback.domain.errors import Problem
from ringback.result_schema.validate import cached_cost, find_problems

MOST_PROCESSES: Final = 2
MOST_SECONDS: Final = 10.0
"""Maximum time of one check if the limit of its CPU time does not end it."""

MOST_KNOWN: Final = 1000
"""Maximum schemas that are known to be usable; each takes 100 bytes."""

MOST_WORK: Final = 500_000
"""Maximum cost of a schema times bytes of a result for an inline check, which takes 10 ms then."""

TOO_LONG: Final = Problem("", "it takes too long to check; send a smaller or less nested result")
_SCHEMA_TOO_LONG: Final = "it takes too long to read; make it smaller"

_logger = logging.getLogger(__name__)


class SchemaChecker:
    """`ResultChecker` by jsonschema-rs."""

    def __init__(self) -> None:
        """Start no process until a check needs one."""
        self._pool = _ProcessPool()
        self._usable: set[bytes] = set()

    async def problems(self, schema: str, result: bytes | None) -> Sequence[Problem]:
        if cached_cost(schema) * len(result or b"null") <= MOST_WORK:
            return find_problems(schema, result)
        try:
            problems: Sequence[Problem] = await self._pool.run(schema, result, True)  # noqa: FBT003 - a message
        except _TookTooLongError:
            _logger.warning("result rejected: its check took too much time or memory")
            return [TOO_LONG]
        return problems

    async def why_unusable(self, schema: str) -> str | None:
        """Return why results cannot be checked against the text `schema`; `None` if they can."""
        # Each opening sends its schema, and a check in another process takes a millisecond.
        digest = sha256(schema.encode()).digest()
        if digest in self._usable:
            return None
        try:
            why: str | None = await self._pool.run(schema, None, False)  # noqa: FBT003 - a message
        except _TookTooLongError:
            return _SCHEMA_TOO_LONG
        if why is None:
            if len(self._usable) >= MOST_KNOWN:
                self._usable.clear()
            self._usable.add(digest)
        return why


class _TookTooLongError(Exception):
    """A check exceeded its time or memory, and its process was ended."""


class _ProcessPool:
    """Runs checks in other processes, and replaces those that exceeded their limits."""

    def __init__(self) -> None:
        """Start no process until a check needs one."""
        self._threads = ThreadPoolExecutor(MOST_PROCESSES, "result-check")
        self._idle: deque[_Process] = deque()

    async def run(self, *request: Any) -> Any:
        """Send `request` to a process, and return its reply.

        Raises:
            _TookTooLongError: The check exceeded its time or memory.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, request)

    def _run(self, request: tuple[Any, ...]) -> Any:
        process = self._take()
        try:
            reply = process.ask(request)
        except (EOFError, OSError) as exc:
            process.end()
            raise _TookTooLongError from exc
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
    """A process that ends with this object or with the program."""

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
                # Keep Ctrl-C in the terminal from this process.
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
