"""A broker of a test's own, which it can stop, start and freeze."""

import asyncio
import shutil
import signal
import socket
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tests.contract.postgresql_cluster import unused_port
from tests.polling import pause
from tests.services import missing

LIMIT_SECONDS = 30


class OwnServer:
    """A program that listens on a port of this machine."""

    def __init__(self, words: Sequence[str | Path], port: int, folder: Path) -> None:
        self._words = words
        self._folder = folder
        self._process: Process | None = None
        self.port = port

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._words, cwd=self._folder, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL
        )
        async with asyncio.timeout(LIMIT_SECONDS):
            while not self._listens():
                assert self._process.returncode is None, f"{self._words[0]} ended"
                await pause()

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            await self._process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze it for the block: it neither replies nor disconnects."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _listens(self) -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0


@asynccontextmanager
async def own_server(
    words: Sequence[str | Path], port: int, folder: Path
) -> AsyncIterator[OwnServer]:
    """Run a server for the block."""
    server = OwnServer(words, port, folder)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def program_path(name: str, package: str) -> str:
    """Return the path of a program, or skip the test."""
    found = shutil.which(name)
    if found is None:
        missing(f"the program {name}", f"install the package {package}")
    return found


__all__ = ["OwnServer", "own_server", "program_path", "unused_port"]
