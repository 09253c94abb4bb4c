"""The whole of it on one machine: Temporal, gateway, worker and outside service, as processes."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2

from ringback.app.dev_server import dev_server_command
from ringback.app.processes import Children, Command, ringback_command
from ringback.app.web import bound_socket, free_ports, local_url
from ringback.core.service import task_group
from ringback.domain.errors import ProgramEndedError

_HOST: Final = "127.0.0.1"
_LOOK_EVERY_SECONDS: Final = 0.05
_START_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything answers, on this machine.

    Attributes:
        gateway: HTTP, for the outside.
        temporal: gRPC.
        ui: Temporal's web UI; `None` for none.
        service: The demo's outside service.
    """

    gateway: int
    temporal: int
    ui: int | None
    service: int

    def check(self) -> None:
        """Make sure that all of them can be used.

        Raises:
            ConfigurationError: One is taken; the message names it.
        """
        wanted = [self.gateway, self.service]
        if given_address() is None:
            wanted += [self.temporal] if self.ui is None else [self.temporal, self.ui]
        for port in wanted:
            bound_socket(_HOST, port).close()


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything answers.

    Attributes:
        gateway: The gateway's URL.
        temporal: Temporal's address.
        ui: Temporal's web UI; `None` where it is not ours to know.
        service: The outside service's URL.
    """

    gateway: str
    temporal: str
    ui: str | None
    service: str

    def environment(self, data: Path, *, log: str) -> dict[str, str]:
        """Return what the programs need to find each other, and to log as `text` or `json`."""
        return {
            "RINGBACK_LOG": log,
            "TEMPORAL_ADDRESS": self.temporal,
            "RINGBACK_DATA": str(data),
            "RINGBACK_PUBLIC_URL": self.gateway,
            "RINGBACK_URL": self.gateway,
            "RINGBACK_DEMO_SERVICE_URL": self.service,
        }


def given_address() -> str | None:
    """Return the Temporal server that the environment names, if it names one."""
    return os.environ.get("TEMPORAL_ADDRESS") or None


def unused_ports() -> Ports:
    """Return ports that nobody uses now, and no UI."""
    gateway, temporal, service = free_ports(3)
    return Ports(gateway=gateway, temporal=temporal, ui=None, service=service)


@asynccontextmanager
async def running_stack(
    ports: Ports, data: Path, on_line: Callable[[str, str], None], *, log: str = "text"
) -> AsyncIterator[Addresses]:
    """Run everything for the block; yield where it is, once all of it answers.

    Args:
        ports: Where to answer.
        data: The folder that everything is kept in.
        on_line: Gets each line that a program prints, behind the program's name.
        log: How the programs log: `text` or `json`.

    Raises:
        ConfigurationError: A port is taken, or there is no Temporal server.
        ProgramEndedError: One of the programs ended.
    """
    ports.check()
    addresses = _addresses(ports)
    async with task_group() as group:
        children = Children(group, on_line)
        try:
            async with _time_limit():
                environment = addresses.environment(data, log=log)
                await _start(children, ports, addresses, environment=environment)
            yield addresses
        finally:
            await children.stop()


def _addresses(ports: Ports) -> Addresses:
    given = given_address()
    return Addresses(
        gateway=local_url(_HOST, ports.gateway),
        temporal=given or f"{_HOST}:{ports.temporal}",
        ui=local_url(_HOST, ports.ui) if given is None and ports.ui is not None else None,
        service=local_url(_HOST, ports.service),
    )


async def _start(
    children: Children, ports: Ports, addresses: Addresses, *, environment: dict[str, str]
) -> None:
    if given_address() is None:
        await children.start(_temporal(ports, Path(environment["RINGBACK_DATA"])))
    gateway = ringback_command("gateway", "serve", "--port", str(ports.gateway), **environment)
    await children.start(gateway)
    service = ringback_command(
        "service", "http-service", "--port", str(ports.service), **environment
    )
    await children.start(service)
    async with httpx2.AsyncClient() as http:
        await _until(http, f"{addresses.gateway}/readyz", says='"temporal":"ok"')
        worker = await children.start(ringback_command("worker", "worker", **environment))
        await _until(http, f"{addresses.service}/healthz")
        if addresses.ui is not None:
            await _until(http, addresses.ui)
    await worker.ready()


def _temporal(ports: Ports, data: Path) -> Command:
    database = None if ports.ui is None else data / "temporal.db"
    command = dev_server_command(port=ports.temporal, ui_port=ports.ui, database=database)
    return Command("temporal", command, {})


async def _until(http: httpx2.AsyncClient, url: str, *, says: str = "") -> None:
    while True:
        try:
            reply = await http.get(url, follow_redirects=True)
        except httpx2.TransportError:
            pass
        else:
            if reply.is_success and says in reply.text:
                return
        await asyncio.sleep(_LOOK_EVERY_SECONDS)


@asynccontextmanager
async def _time_limit() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_START_SECONDS):
            yield
    except TimeoutError as exc:
        msg = f"not everything answered within {_START_SECONDS} seconds"
        raise ProgramEndedError(msg) from exc
