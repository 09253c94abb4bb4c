"""Temporal: absent in two ways, or the real dev server with activities that wait."""

import re
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import httpx2
from temporalio.client import Client

from benchmarks.programs import Program, running
from ringback.app.dev_server import dev_server_command
from ringback.app.web import bound_socket, free_ports
from ringback.temporal.connect import is_reachable

_COUNT: Final = re.compile(
    r'^service_requests\{[^}]*operation="(\w+)"[^}]*service_name="frontend"[^}]*\} (\S+)', re.M
)


@contextmanager
def silent_temporal() -> Iterator[str]:
    """Yield an address that takes connections and says nothing: deliveries begin, and hang."""
    with bound_socket("127.0.0.1", 0) as listening:
        yield _address(listening)


@contextmanager
def refusing_temporal() -> Iterator[str]:
    """Yield an address that refuses connections: deliveries fail at once, and are tried again."""
    with bound_socket("127.0.0.1", 0) as listening:
        address = _address(listening)
    yield address


def _address(listening: socket.socket) -> str:
    return f"127.0.0.1:{listening.getsockname()[1]}"


@asynccontextmanager
async def dev_server(
    folder: Path, *, options: Sequence[str] = ()
) -> AsyncIterator[tuple[Program, str]]:
    """Run Temporal's dev server for the block, with `options` more; yield it and its address.

    It keeps its data in memory: that is when it is fastest, which favours those who wait for it.
    """
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    command = dev_server_command(port=port, ui_port=None, database=None)
    client = await Client.connect(address, lazy=True)
    async with running([*command, *options], cwd=folder) as server:
        await server.until(lambda: is_reachable(client))
        yield server, address


class Meter:
    """Counts, at the server, how often it was called."""

    def __init__(self, port: int) -> None:
        """Ask the server's metrics on `port`; see `options`."""
        self._url = f"http://127.0.0.1:{port}/metrics"
        self.options = ("--metrics-port", str(port))

    async def calls(self, operation: str) -> int:
        """Return how often the server was called for `operation` so far."""
        async with httpx2.AsyncClient(trust_env=False) as http:
            told = (await http.get(self._url)).text
        counts = [float(count) for name, count in _COUNT.findall(told) if name == operation]
        return round(sum(counts))
