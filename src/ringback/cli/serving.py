"""The command that runs the gateway, and what other programs run of it."""

import json
import sys
from contextlib import AsyncExitStack
from typing import Annotated

import typer

from ringback.app.compose import running_gateway
from ringback.app.program import run, settle_down, stop_requested
from ringback.app.web import bound_socket, served
from ringback.cli.given import AsJson
from ringback.settings import DEFAULT_PORT, Settings, load_settings
from ringback.temporal.connect import connect_lazily
from ringback.temporal.converter import choose_converter

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(help="The port to listen on; 0 takes a free one.")]


def serve(host: Host = "127.0.0.1", port: Port = DEFAULT_PORT, as_json: AsJson = False) -> None:
    """Run the gateway: take answers over HTTP, keep them, and bring them to Temporal."""
    settings = load_settings()
    if port != DEFAULT_PORT and "public_url" not in settings.model_fields_set:
        hint = f"RINGBACK_PUBLIC_URL=http://{host}:{port}"
        print(f"links are made by workers: start them with {hint}", file=sys.stderr)
    run(_serve(settings, (host, port), as_json=as_json))


async def _serve(settings: Settings, serve_on: tuple[str, int], *, as_json: bool) -> None:
    async with AsyncExitStack() as stack:
        say_ready(await enter_gateway(stack, settings, serve_on), as_json=as_json)
        await stop_requested()


async def enter_gateway(
    stack: AsyncExitStack, settings: Settings, serve_on: tuple[str, int]
) -> str:
    """Run the gateway until `stack` is closed; return where it answers."""
    host, port = serve_on
    listening = bound_socket(host, port)
    stack.callback(listening.close)
    client = await connect_lazily(choose_converter(settings.data_converter, None))
    gateway = await stack.enter_async_context(running_gateway(client, settings))
    settle_down()
    await stack.enter_async_context(served(gateway.app, listening, on_stop=gateway.stop_waiting))
    return f"http://{host}:{listening.getsockname()[1]}"


def say_ready(what: str, *, as_json: bool) -> None:
    """Tell who started the program that it can be used now."""
    print(json.dumps({"ready": what}) if as_json else f"ready {what}", flush=True)
