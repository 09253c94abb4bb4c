"""Run the command line in a forked process that has already imported its modules.

Environment, standard streams, signals, event loop and exit code are real. Only the imports, which
take an interpreter up to two seconds of CPU time, happen once for all commands and programs.
"""

import asyncio
import multiprocessing
import os
import signal
import sys
from asyncio import StreamReader, StreamReaderProtocol
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from ringback.cli.main import COMMANDS, main

_STREAMS: Final = {"stdin": "r", "stdout": "w", "stderr": "w"}

_FORKING: Final = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload([
    __name__,
    *sorted({home.partition(":")[0] for home in COMMANDS.values()}),
    "ringback.cli.by_client",
    "uvloop",
])


class PreloadedProcess:
    """A forked process, with what the tests use of `asyncio.subprocess.Process`.

    Attributes:
        pid: Its process id.
        stdout: What it prints, also on standard error.
    """

    def __init__(self, process: BaseProcess, stdout: StreamReader) -> None:
        """Wait for `process`, which has begun."""
        assert process.pid is not None, "it has begun"
        self.pid = process.pid
        self.stdout = stdout
        self._process = process
        self._has_ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(process.sentinel, self._end)

    @property
    def returncode(self) -> int | None:
        """Its exit code; negative for a signal, `None` while it runs."""
        return self._process.exitcode

    async def wait(self) -> int:
        """Return the exit code once it has ended."""
        await self._has_ended.wait()
        assert self._process.exitcode is not None, "it has ended"
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._process.join()
        self._has_ended.set()


async def run(
    words: Sequence[str], environment: Mapping[str, str], stdin: bytes
) -> tuple[int, str, str]:
    """Run `ringback` with `words`; return its exit code, its output and its errors.

    Args:
        words: The arguments of `ringback`.
        environment: Its whole environment.
        stdin: Its standard input.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "stdin").write_bytes(stdin)
        process = _FORKING.Process(
            target=_run_on_files, args=(words, environment, folder), daemon=True
        )
        process.start()
        running = PreloadedProcess(process, StreamReader())
        try:
            code = await running.wait()
        finally:
            running.kill()
            await running.wait()
        return code, (folder / "stdout").read_text(), (folder / "stderr").read_text()


@asynccontextmanager
async def started(
    words: Sequence[str], environment: Mapping[str, str], folder: Path
) -> AsyncIterator[PreloadedProcess]:
    """Start `ringback` with `words` in `folder`; the block ends the process.

    Args:
        words: The arguments of `ringback`.
        environment: Its whole environment.
        folder: Its working directory.
    """
    output, its_output = _FORKING.Pipe(duplex=False)
    with output, its_output:
        process = _FORKING.Process(
            target=_run_on_pipe, args=(words, environment, folder, its_output), daemon=True
        )
        process.start()
        stdout = StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: StreamReaderProtocol(stdout), os.fdopen(os.dup(output.fileno()), "rb", 0)
        )
    try:
        yield PreloadedProcess(process, stdout)
    finally:
        transport.close()


def _run_on_files(words: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
    for number, (name, mode) in enumerate(_STREAMS.items()):
        with (folder / name).open(mode) as file:
            os.dup2(file.fileno(), number)
    _run(words, environment)


def _run_on_pipe(
    words: Sequence[str], environment: Mapping[str, str], folder: Path, output: Connection
) -> None:
    os.setsid()
    os.chdir(folder)
    with Path(os.devnull).open() as nothing, output:
        for number, source in enumerate((nothing.fileno(), output.fileno(), output.fileno())):
            os.dup2(source, number)
    _run(words, environment)


def _run(words: Sequence[str], environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for number, (name, mode) in enumerate(_STREAMS.items()):
        buffering = 1 if name == "stderr" else -1
        setattr(sys, name, os.fdopen(number, mode, buffering, closefd=False))
    sys.argv = ["ringback", *words]
    main()
