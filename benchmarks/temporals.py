"""Temporal: absent in two ways, or the real dev server with activities that wait."""

import asyncio
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import httpx2
from temporalio.api.workflowservice.v1 import GetClusterInfoRequest
from temporalio.client import Client

from benchmarks.programs import Program, running
from ringback.app.dev_server import dev_server_command
from ringback.app.web import bound_socket, free_ports
from ringback.domain.errors import TemporalUnreachableError
from ringback.temporal.connect import check_connection

_COUNT: Final = re.compile(
    r'^service_requests\{[^}]*operation="(\w+)"[^}]*service_name="frontend"[^}]*\} (\S+)', re.M
)

_MARK: Final = "GetClusterInfo"
"""A call that nobody else makes."""

_LOOK_AGAIN_SECONDS: Final = 0.02


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
async def metered_server(folder: Path) -> AsyncIterator[tuple[str, "Meter"]]:
    """Run the same server for the block, and count how often it is called; yield its address."""
    (port,) = free_ports(1)
    async with dev_server(folder, options=("--metrics-port", str(port))) as (_, address):
        yield address, Meter(await Client.connect(address), port)


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
        await server.until(lambda: _answers(client))
        yield server, address


async def _answers(client: Client) -> bool:
    try:
        await check_connection(client)
    except TemporalUnreachableError:
        return False
    return True


class Meter:
    """Counts, at the server, how often it was called."""

    def __init__(self, client: Client, port: int) -> None:
        """Ask the metrics on `port` of the server of `client`."""
        self._client = client
        self._url = f"http://127.0.0.1:{port}/metrics"

    async def calls(self, operation: str) -> int:
        """Return how often the server was called for `operation` until now.

        It publishes its counts once a second: that a call of this method's own is among them shows
        that all before it are.
        """
        before = (await self._counts())[_MARK]
        await self._client.workflow_service.get_cluster_info(GetClusterInfoRequest())
        while (counts := await self._counts())[_MARK] == before:  # noqa: ASYNC110 - the server sends no event
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        return counts[operation]

    async def _counts(self) -> Counter[str]:
        async with httpx2.AsyncClient(trust_env=False) as http:
            told = (await http.get(self._url)).text
        counts: Counter[str] = Counter()
        for operation, count in _COUNT.findall(told):
            counts[operation] += round(float(count))
        return counts
