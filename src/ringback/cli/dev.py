"""Commands that run the demo, whole or one program of it."""

import json
import secrets
import socket
import tempfile
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import HttpUrl
from rich.console import Console

from ringback.app.bootstrap import working
from ringback.app.named_worker import serving_named_activities
from ringback.app.plugin import RingbackPlugin
from ringback.app.program import run, stop_requested
from ringback.app.system import SystemClock, find_os_user
from ringback.app.web import bound_socket, free_ports, local_url, served, url_of
from ringback.cli.params import AsJson, Host, Port, say_ready
from ringback.cli.serving import enter_gateway, print_exports
from ringback.client.gateway_client import GatewayClient
from ringback.client.target import Target, find_target, local_key_path
from ringback.demo.service import create_service
from ringback.demo.stack import Observers, Ports, Stack, running_stack
from ringback.demo.tour import GatewaySteps, Tour
from ringback.demo.worker import demo_worker
from ringback.demo.workflow import TASK_QUEUE
from ringback.domain.api_key import Role
from ringback.domain.errors import ConfigurationError
from ringback.schemas.sign_in import SignInUrlOut
from ringback.settings import DEFAULT_PORT, Settings, load_settings
from ringback.temporal.connect import connect
from ringback.worker.named_activities import TASK_QUEUE as NAMED_TASK_QUEUE

DEFAULT_SERVICE_PORT: Final = 8001
_TEMPORAL_PORT: Final = 7233
_UI_PORT: Final = 8233
_FAILED: Final = 1

ServiceUrl = Annotated[
    str,
    typer.Option(envvar="RINGBACK_DEMO_SERVICE_URL", help="The URL of the demo's payment service."),
]


def demo(
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the result as JSON, and the steps on standard error."),
    ] = False,
) -> None:
    """Run everything, make one round trip, and stop.

    Prints each step. Exit codes: 0 all steps happened; 1 a step is missing, or the call failed.
    """
    with tempfile.TemporaryDirectory(prefix="ringback-demo-") as folder:
        went_well = run(_demo(Path(folder), Console(stderr=as_json, highlight=False)))
    if as_json:
        print(json.dumps({"went_well": went_well}))
    raise typer.Exit(0 if went_well else _FAILED)


async def _demo(data: Path, console: Console) -> bool:
    console.print("Starting Temporal, the gateway, a worker and a service.")
    tour = Tour(console, SystemClock())
    observers = Observers(
        on_server_line=_ignore, on_step=tour.on_step, hooks=GatewaySteps(tour.on_step)
    )
    # A task queue of its own: no other worker on this Temporal server takes the activity.
    task_queue = f"{TASK_QUEUE}-{secrets.token_hex(4)}"
    port = free_ports(1)[0]
    settings = _isolated(load_settings(), data, port)
    # Its store is deleted at the end: messages that it took would be lost.
    async with running_stack(
        Ports(gateway=port), settings, observers, task_queue=task_queue, with_queues=False
    ) as stack:
        console.print(f"Gateway {stack.gateway}, Temporal {stack.temporal}. One round trip:\n")
        went_well = await tour.make_round_trip(stack.client, task_queue)
    console.print("\nEverything is stopped.")
    return went_well


def _isolated(settings: Settings, data: Path, port: int) -> Settings:
    """Return settings of a gateway on `port` that stores everything in `data`."""
    own: dict[str, Any] = {"data": data, "store": None, "keys": None, "keys_file": None}
    own["public_url"] = HttpUrl(local_url("127.0.0.1", port))
    return settings.model_copy(update=own)


def dev(
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="The data folder. Default: `ringback` in your state folder."
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="The gateway's port.")] = DEFAULT_PORT,
    temporal_port: Annotated[int, typer.Option(help="Temporal's port.")] = _TEMPORAL_PORT,
    ui_port: Annotated[int, typer.Option(help="The port of Temporal's web UI.")] = _UI_PORT,
    service_port: Annotated[
        int, typer.Option(help="The demo service's port.")
    ] = DEFAULT_SERVICE_PORT,
    as_json: AsJson = False,
) -> None:
    """Run Temporal, a gateway and the demo until Ctrl-C.

    Prints the settings that your own worker needs.
    """
    settings = load_settings()
    if data is not None:
        settings = settings.model_copy(update={"data": data.absolute()})
    _make_folder(settings.data)
    ports = Ports(gateway=port, temporal=temporal_port, ui=ui_port, service=service_port)
    run(_dev(ports, settings, as_json=as_json))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        msg = f"cannot create the data folder {folder} ({exc.strerror}); choose another one"
        raise ConfigurationError(msg) from exc


async def _dev(ports: Ports, settings: Settings, *, as_json: bool) -> None:
    observers = Observers(on_server_line=_print_json if as_json else _print_line)
    async with running_stack(
        ports, settings, observers, named_task_queue=NAMED_TASK_QUEUE
    ) as stack:
        print_exports(stack.settings, stack.client)
        found = {
            "gateway": stack.gateway,
            "temporal": stack.temporal,
            "ui": stack.ui,
            "service": stack.service,
        }
        sign_in = await _create_sign_in_url(stack)
        if stack.ui is not None and not as_json:
            print(f"Temporal's web UI: {stack.ui}")
        if sign_in is not None and not as_json:
            print(f"Sign in as {sign_in.user} (once, within an hour): {sign_in.url}")
        ready = " ".join(f"{name} {where}" for name, where in found.items() if where is not None)
        lines = {"ready": found, "sign_in_url": None if sign_in is None else sign_in.url}
        print(json.dumps(lines) if as_json else f"ready {ready}", flush=True)
        await stop_requested()


async def _create_sign_in_url(stack: Stack) -> SignInUrlOut | None:
    """Return a sign-in URL for this machine's user, if this machine has the operator's key."""
    path = local_key_path(stack.settings.data, Role.OPERATOR)
    user = find_os_user()
    if stack.settings.postgresql_url is not None or user is None:
        return None
    target = Target(stack.gateway, path.read_text("utf-8").strip(), str(path))
    async with GatewayClient(target) as client:
        return await client.create_sign_in_url({"user": user, "admin": True})


def _ignore(line: str) -> None:
    """Drop a line of the server; if the server ends, the error contains the last lines."""


def _print_json(line: str) -> None:
    print(json.dumps({"program": "temporal", "line": line}), flush=True)


def _print_line(line: str) -> None:
    print(f"temporal: {line}", flush=True)


def worker(
    serve: Annotated[bool, typer.Option(help="Run the gateway in the same process.")] = False,
    host: Host = "127.0.0.1",
    port: Port = DEFAULT_PORT,
    task_queue: Annotated[
        str, typer.Option(help="The task queue of the activities.")
    ] = NAMED_TASK_QUEUE,
    demo: Annotated[
        bool, typer.Option("--demo/--no-demo", help="Also run the demo's worker.")
    ] = True,
    service_url: ServiceUrl = f"http://127.0.0.1:{DEFAULT_SERVICE_PORT}",
    as_json: AsJson = False,
) -> None:
    """Run activities that workflows in any language call by name.

    They are ringback.ask, ringback.wait and ringback.event. The demo's worker runs too.
    """
    settings = load_settings()
    with ExitStack() as stack:
        listening = stack.enter_context(bound_socket(host, port)) if serve else None
        if listening is not None:
            settings = settings.served_at(url_of(listening))
        demo_url = service_url if demo else None
        run(_work(settings, listening, task_queue, demo_url, as_json=as_json))


async def _work(
    settings: Settings,
    listening: socket.socket | None,
    task_queue: str,
    demo_url: str | None,
    *,
    as_json: bool,
) -> None:
    async with AsyncExitStack() as stack:
        url = None
        if listening is not None:
            url = url_of(listening)
            await enter_gateway(stack, settings, listening)
            say_ready(url, as_json=as_json)
        client = await connect(RingbackPlugin(url=url))
        async with GatewayClient(find_target(Role.WORKER, url=url)) as gateway:
            # A gateway that replies has created the webhook secret, which the worker needs.
            await gateway.whoami()
        named = serving_named_activities(client, settings, task_queue=task_queue)
        await stack.enter_async_context(named)
        if demo_url is not None:
            await stack.enter_async_context(working(demo_worker(client, demo_url)))
        say_ready("worker", as_json=as_json)
        await stop_requested()


def http_service(
    host: Host = "127.0.0.1", port: Port = DEFAULT_SERVICE_PORT, as_json: AsJson = False
) -> None:
    """Run the demo's service, which answers its links later."""
    run(_serve_service(host, port, as_json=as_json))


async def _serve_service(host: str, port: int, *, as_json: bool) -> None:
    listening = bound_socket(host, port)
    async with served(create_service(), listening):
        say_ready(url_of(listening), as_json=as_json)
        await stop_requested()
