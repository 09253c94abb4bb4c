"""Run the command line in a forked process that has already imported its modules.

Environment, standard streams, event loop and exit code are real. Only the imports, which take an
interpreter about a second, happen once for all commands.
"""

import asyncio
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
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
        code = await _end_of(
            _FORKING.Process(target=_begin, args=(words, environment, folder), daemon=True)
        )
        return code, (folder / "stdout").read_text(), (folder / "stderr").read_text()


async def _end_of(process: BaseProcess) -> int:
    process.start()
    loop, has_ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(process.sentinel, has_ended.set)
    try:
        await has_ended.wait()
    finally:
        loop.remove_reader(process.sentinel)
        if not has_ended.is_set():
            process.kill()
        process.join()
    assert process.exitcode is not None, "join() returned, so it has ended"
    return process.exitcode


def _begin(words: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for number, (name, mode) in enumerate(_STREAMS.items()):
        with (folder / name).open(mode) as file:
            os.dup2(file.fileno(), number)
        setattr(sys, name, os.fdopen(number, mode, closefd=False))
    sys.argv = ["ringback", *words]
    main()
