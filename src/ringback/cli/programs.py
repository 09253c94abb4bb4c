"""Commands that run a program with a worker, or the outside service, until it is stopped."""

import socket
from contextlib import AsyncExitStack, ExitStack
from typing import Annotated, Final

import typer

from ringback.app.plugin import RingbackPlugin
from ringback.app.program import run, stop_requested
from ringback.app.web import bound_socket, served, url_of
from ringback.app.workers import working
from ringback.cli.given import AsJson
from ringback.cli.serving import Host, Port, enter_gateway, say_ready
from ringback.demo.service import create_service
from ringback.demo.worker import demo_worker
from ringback.settings import DEFAULT_PORT, Settings, load_settings
from ringback.temporal.connect import connect

DEFAULT_SERVICE_PORT: Final = 8001

ServiceUrl = Annotated[
    str, typer.Option(envvar="RINGBACK_DEMO_SERVICE_URL", help="Where the outside service is.")
]


def worker(
    serve: Annotated[bool, typer.Option(help="Run the gateway in the same process.")] = False,
    host: Host = "127.0.0.1",
    port: Port = DEFAULT_PORT,
    service_url: ServiceUrl = f"http://127.0.0.1:{DEFAULT_SERVICE_PORT}",
    as_json: AsJson = False,
) -> None:
    """Run the worker of the demo's workflow, alone or together with the gateway."""
    settings = load_settings()
    with ExitStack() as stack:
        listening = stack.enter_context(bound_socket(host, port)) if serve else None
        if listening is not None:
            settings = settings.served_at(url_of(listening))
        run(_work(settings, listening, service_url, as_json=as_json))


async def _work(
    settings: Settings, listening: socket.socket | None, service_url: str, *, as_json: bool
) -> None:
    async with AsyncExitStack() as stack:
        url = None
        if listening is not None:
            url = url_of(listening)
            await enter_gateway(stack, settings, listening)
            say_ready(url, as_json=as_json)
        client = await connect(RingbackPlugin(url=url))
        async with working(demo_worker(client, service_url)):
            say_ready("worker", as_json=as_json)
            await stop_requested()


def http_service(
    host: Host = "127.0.0.1", port: Port = DEFAULT_SERVICE_PORT, as_json: AsJson = False
) -> None:
    """Run the demo's outside service, which is asked for work and calls back later."""
    run(_serve_service(host, port, as_json=as_json))


async def _serve_service(host: str, port: int, *, as_json: bool) -> None:
    listening = bound_socket(host, port)
    async with served(create_service(), listening):
        say_ready(url_of(listening), as_json=as_json)
        await stop_requested()
