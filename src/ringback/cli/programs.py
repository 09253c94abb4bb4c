"""Commands that run one program until it is stopped."""

import json
import sys
from contextlib import AsyncExitStack
from typing import Annotated, Final

import typer
from pydantic import HttpUrl

from ringback.app.compose import running_gateway
from ringback.app.plugin import RingbackPlugin
from ringback.app.program import run, settle_down, stop_requested
from ringback.app.web import bound_socket, served
from ringback.app.workers import working
from ringback.cli.given import AsJson
from ringback.demo.service import create_service
from ringback.demo.worker import demo_worker
from ringback.settings import DEFAULT_PORT, Settings, load_settings
from ringback.temporal.connect import connect, connect_lazily
from ringback.temporal.converter import choose_converter

DEFAULT_SERVICE_PORT: Final = 8001

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(help="The port to listen on; 0 takes a free one.")]
ServiceUrl = Annotated[
    str, typer.Option(envvar="RINGBACK_DEMO_SERVICE_URL", help="Where the outside service is.")
]


def serve(host: Host = "127.0.0.1", port: Port = DEFAULT_PORT, as_json: AsJson = False) -> None:
    """Run the gateway: take answers over HTTP, keep them, and bring them to Temporal."""
    settings = load_settings()
    if port != DEFAULT_PORT and "public_url" not in settings.model_fields_set:
        hint = f"RINGBACK_PUBLIC_URL=http://{host}:{port}"
        print(f"links are made by workers: start them with {hint}", file=sys.stderr)
    run(_serve(settings, (host, port), as_json=as_json))


async def _serve(settings: Settings, serve_on: tuple[str, int], *, as_json: bool) -> None:
    async with AsyncExitStack() as stack:
        _say_ready(await _enter_gateway(stack, settings, serve_on), as_json=as_json)
        await stop_requested()


def worker(
    serve: Annotated[bool, typer.Option(help="Run the gateway in the same process.")] = False,
    host: Host = "127.0.0.1",
    port: Port = DEFAULT_PORT,
    service_url: ServiceUrl = f"http://127.0.0.1:{DEFAULT_SERVICE_PORT}",
    as_json: AsJson = False,
) -> None:
    """Run the worker of the demo's workflow, alone or together with the gateway."""
    settings = load_settings()
    if serve and "public_url" not in settings.model_fields_set:
        settings = settings.model_copy(update={"public_url": HttpUrl(f"http://{host}:{port}")})
    run(_work(settings, (host, port) if serve else None, service_url, as_json=as_json))


async def _work(
    settings: Settings, serve_on: tuple[str, int] | None, service_url: str, *, as_json: bool
) -> None:
    client = await connect(RingbackPlugin(settings))
    async with AsyncExitStack() as stack:
        if serve_on is not None:
            _say_ready(await _enter_gateway(stack, settings, serve_on), as_json=as_json)
        async with working(demo_worker(client, service_url)):
            _say_ready("worker", as_json=as_json)
            await stop_requested()


def http_service(
    host: Host = "127.0.0.1", port: Port = DEFAULT_SERVICE_PORT, as_json: AsJson = False
) -> None:
    """Run the demo's outside service, which is asked for work and calls back later."""
    run(_serve_service(host, port, as_json=as_json))


async def _serve_service(host: str, port: int, *, as_json: bool) -> None:
    listening = bound_socket(host, port)
    async with served(create_service(), listening):
        _say_ready(f"http://{host}:{listening.getsockname()[1]}", as_json=as_json)
        await stop_requested()


async def _enter_gateway(
    stack: AsyncExitStack, settings: Settings, serve_on: tuple[str, int]
) -> str:
    """Run the gateway until `stack` is closed; return where it answers."""
    host, port = serve_on
    listening = bound_socket(host, port)
    stack.callback(listening.close)
    client = await connect_lazily(choose_converter(settings.data_converter, None))
    app = await stack.enter_async_context(running_gateway(client, settings))
    settle_down()
    await stack.enter_async_context(served(app, listening))
    return f"http://{host}:{listening.getsockname()[1]}"


def _say_ready(what: str, *, as_json: bool) -> None:
    print(json.dumps({"ready": what}) if as_json else f"ready {what}", flush=True)
