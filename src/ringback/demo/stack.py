"""Everything on one machine: gateway, worker and outside service, beside a Temporal server."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
from temporalio.client import Client

from ringback.app.bootstrap import serving_gateway, working
from ringback.app.dev_server import dev_server_command, running_dev_server
from ringback.app.named_worker import serving_named_activities
from ringback.app.plugin import RingbackPlugin
from ringback.app.web import bound_socket, free_ports, local_url, served, url_of
from ringback.client.target import local_key_path
from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.demo.service import create_service
from ringback.demo.steps import OnStep, log_step
from ringback.demo.worker import demo_worker
from ringback.demo.workflow import TASK_QUEUE
from ringback.domain.api_key import Role
from ringback.domain.errors import (
    ProgramEndedError,
)
from ringback.settings import Settings
from ringback.temporal.connect import can_be_used, connect, connect_lazily
from ringback.temporal.converter import choose_converter

_HOST: Final = "127.0.0.1"
_LOOK_EVERY_SECONDS: Final = 0.05
_START_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of everything, on this machine; 0 takes a free one.

    Attributes:
        gateway: HTTP, for senders.
        temporal: gRPC.
        ui: Temporal's web UI; `None` for none, and for a server that keeps its data in memory.
        service: The demo's outside service.
    """

    gateway: int = 0
    temporal: int = 0
    ui: int | None = None
    service: int = 0


@dataclass(frozen=True, slots=True)
class Observers:
    """Functions that the stack reports to.

    Attributes:
        on_server_line: Gets each line that Temporal's server prints.
        on_step: Gets each step of worker and service.
        hooks: What the gateway reports to.
    """

    on_server_line: Callable[[str], None]
    on_step: OnStep = log_step
    hooks: Hooks = NO_HOOKS


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs.

    Attributes:
        settings: The gateway's.
        client: The worker's connection to Temporal.
        ui: Temporal's web UI; `None` if this stack did not start one.
        gateway: The gateway's URL on this machine.
        service: The outside service's URL.
    """

    settings: Settings
    client: Client
    ui: str | None
    gateway: str
    service: str

    @property
    def temporal(self) -> str:
        """Temporal's address."""
        return self.client.service_client.config.target_host


@asynccontextmanager
async def running_stack(
    ports: Ports,
    settings: Settings,
    observers: Observers,
    *,
    task_queue: str = TASK_QUEUE,
    named_task_queue: str | None = None,
    with_queues: bool = True,
) -> AsyncIterator[Stack]:
    """Run everything for the block, which begins once all of it answers.

    The Temporal server is the one that TEMPORAL_ADDRESS names; without it, one is started, which
    ends with this process, even if that is killed. With `named_task_queue`, a worker polls it for
    the activities that workflows in any language call by name.

    Raises:
        ConfigurationError: A port is taken, or the Temporal server is missing.
        ProgramEndedError: The Temporal server ended, or does not answer.
        TemporalUnreachableError: The server that TEMPORAL_ADDRESS names does not answer.
    """
    async with AsyncExitStack() as stack:
        at_gateway = stack.enter_context(bound_socket(_HOST, ports.gateway))
        at_service = stack.enter_context(bound_socket(_HOST, ports.service))
        settings = settings.served_at(url_of(at_gateway))
        address = os.environ.get("TEMPORAL_ADDRESS") or None
        ui = None
        if address is None:
            database = None if ports.ui is None else settings.data / "temporal.db"
            address, ui = await _start_temporal(
                stack, ports, database=database, on_line=observers.on_server_line
            )
        converter = choose_converter(settings.data_converter, None)
        gateway_client = await connect_lazily(converter, address=address)
        gateway = serving_gateway(
            gateway_client, settings, at_gateway, hooks=observers.hooks, with_queues=with_queues
        )
        await stack.enter_async_context(gateway)
        service = create_service(on_step=observers.on_step)
        await stack.enter_async_context(served(service, at_service))
        client = await connect(_plugin(settings, at_gateway), address=address)
        worker = demo_worker(
            client, url_of(at_service), task_queue=task_queue, on_step=observers.on_step
        )
        await stack.enter_async_context(working(worker))
        if named_task_queue is not None:
            named = serving_named_activities(client, settings, task_queue=named_task_queue)
            await stack.enter_async_context(named)
        yield Stack(settings, client, ui, url_of(at_gateway), url_of(at_service))


def _plugin(settings: Settings, listening: socket.socket) -> RingbackPlugin:
    """Return the plugin of a worker that uses the gateway on `listening`, whatever others use."""
    url = url_of(listening)
    if settings.postgresql_url is not None:
        return RingbackPlugin(url=url)
    key = local_key_path(settings.data, Role.WORKER).read_text("utf-8")
    return RingbackPlugin(url=url, api_key=key.strip())


async def _start_temporal(
    stack: AsyncExitStack,
    ports: Ports,
    *,
    database: Path | None,
    on_line: Callable[[str], None],
) -> tuple[str, str | None]:
    """Start a server until `stack` is closed; return its address and the URL of its UI.

    Raises:
        ProgramEndedError: The server does not answer.
    """
    port = ports.temporal or free_ports(1)[0]
    for wanted in (port, ports.ui):
        if wanted is not None:
            bound_socket(_HOST, wanted).close()
    address = f"{_HOST}:{port}"
    client = await connect_lazily(address=address)
    command = dev_server_command(
        port=port, ui_port=ports.ui, database=database, namespace=client.namespace
    )
    await stack.enter_async_context(running_dev_server(command, on_line))
    ui = None if ports.ui is None else local_url(_HOST, ports.ui)
    try:
        async with asyncio.timeout(_START_SECONDS):
            await _until_ready(client, ui)
    except TimeoutError as exc:
        msg = f"the Temporal server did not answer within {_START_SECONDS} seconds"
        raise ProgramEndedError(msg) from exc
    return address, ui


async def _until_ready(client: Client, ui: str | None) -> None:
    while not await can_be_used(client):  # noqa: ASYNC110 - a server does not announce itself
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
    if ui is None:
        return
    async with httpx2.AsyncClient() as http:
        while not await _is_served(http, ui):  # noqa: ASYNC110 - the same
            await asyncio.sleep(_LOOK_EVERY_SECONDS)


async def _is_served(http: httpx2.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url, follow_redirects=True)).is_success
    except httpx2.TransportError:
        return False
