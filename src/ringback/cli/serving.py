"""Runs one gateway, for `serve`, `worker` and `dev`; the command that consumes queues."""

import shlex
import socket
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Annotated, Final

import typer
from temporalio.client import Client

from ringback.app.bootstrap import running_consumers, serving_gateway
from ringback.app.program import run, stop_requested
from ringback.app.web import url_of
from ringback.cli.params import AsJson, say_ready
from ringback.client.target import local_key_path
from ringback.domain.api_key import Role
from ringback.settings import Settings, load_settings
from ringback.temporal.connect import connect_lazily
from ringback.temporal.converter import choose_converter

COMMENT: Final = "# in another terminal, for"

_FOR: Final = {Role.WORKER: "a worker", Role.OPERATOR: "the command line"}


def export_lines(settings: Settings, *, url: str, temporal: str, namespace: str) -> list[str]:
    """Return shell lines that connect a worker or the command line to this gateway.

    They contain the paths of key files, and no keys.

    Args:
        settings: The settings of the gateway.
        url: The URL at which other programs reach the gateway.
        temporal: The address of Temporal, which workers need.
        namespace: The namespace of Temporal.
    """
    connection = {"TEMPORAL_ADDRESS": temporal, "TEMPORAL_NAMESPACE": namespace}
    return [
        *_lines(settings, Role.WORKER, {"RINGBACK_URL": url, **connection}),
        *_lines(settings, Role.OPERATOR, {"RINGBACK_URL": url}),
    ]


def _lines(settings: Settings, role: Role, environment: Mapping[str, str]) -> list[str]:
    if settings.postgresql_url is None:
        file = local_key_path(settings.data, role).absolute()
        environment = {**environment, "RINGBACK_API_KEY_FILE": str(file)}
        hint = ""
    else:
        command = f"ringback keys add --role {role.value} --name ..."
        hint = f" (set RINGBACK_API_KEY to what this prints: {command})"
    return [
        f"{COMMENT} {_FOR[role]}{hint}:",
        *(f"export {name}={shlex.quote(value)}" for name, value in environment.items()),
    ]


def consume(
    host: Annotated[
        str, typer.Option(help="The address of the port of metrics, RINGBACK_METRICS_PORT.")
    ] = "127.0.0.1",
    as_json: AsJson = False,
) -> None:
    """Consume the queues of ringback.toml, without HTTP.

    It commits answers to the store of the gateways, which deliver them. Run those with
    `ringback serve --no-queues`.
    """
    run(_consume(load_settings(), host=host, as_json=as_json))


async def _consume(settings: Settings, *, host: str, as_json: bool) -> None:
    client = await connect_lazily(choose_converter(settings.data_converter, None))
    async with running_consumers(client, settings, host=host) as names:
        say_ready(", ".join(names), as_json=as_json)
        await stop_requested()


async def serve_alone(
    settings: Settings,
    listening: socket.socket,
    *,
    with_queues: bool,
    as_json: bool,
    with_exports: bool,
) -> None:
    """Run a gateway on `listening` until a stop signal."""
    url = url_of(listening)
    async with AsyncExitStack() as stack:
        await enter_gateway(
            stack,
            settings.served_at(url),
            listening,
            with_queues=with_queues,
            with_exports=with_exports,
        )
        say_ready(url, as_json=as_json)
        await stop_requested()


async def enter_gateway(
    stack: AsyncExitStack,
    settings: Settings,
    listening: socket.socket,
    *,
    with_queues: bool = True,
    with_exports: bool = True,
) -> None:
    """Run the gateway on `listening` until `stack` is closed."""
    client = await connect_lazily(choose_converter(settings.data_converter, None))
    if with_exports:
        print_exports(settings, client)
    gateway = serving_gateway(client, settings, listening, with_queues=with_queues)
    await stack.enter_async_context(gateway)


def print_exports(settings: Settings, client: Client) -> None:
    """Print the settings of workers and commands in other terminals, on standard error."""
    address = client.service_client.config.target_host
    lines = export_lines(
        settings, url=settings.base_url, temporal=address, namespace=client.namespace
    )
    print(*lines, sep="\n", file=sys.stderr, flush=True)
