"""A real NATS server with storage, on a free port."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.acceptance.programs import free_port, program
from tests.services import missing


@asynccontextmanager
async def nats_server(folder: Path) -> AsyncIterator[str]:
    """Run a server for the block, which stores in `folder`; yield its URL."""
    binary = shutil.which("nats-server", path=f"{os.environ['PATH']}:/usr/sbin")
    if binary is None:
        missing("the program `nats-server`", "install it with: apt-get install nats-server")
    port = str(free_port())
    command = [binary, "-a", "127.0.0.1", "-p", port, "-js", "-sd", str(folder)]
    async with program(command, {}) as running:
        await running.line("Server is ready")
        yield f"nats://127.0.0.1:{port}"
