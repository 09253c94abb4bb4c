"""Commands that run everything on this machine."""

import json
import secrets
import tempfile
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import HttpUrl
from rich.console import Console

from ringback.app.program import run, stop_requested
from ringback.app.system import SystemClock
from ringback.app.web import free_ports, local_url
from ringback.cli.given import AsJson
from ringback.cli.programs import DEFAULT_SERVICE_PORT
from ringback.cli.serving import print_exports
from ringback.demo.stack import Observers, Ports, running_stack
from ringback.demo.tour import GatewaySteps, Tour
from ringback.demo.workflow import TASK_QUEUE
from ringback.domain.errors import ConfigurationError
from ringback.settings import DEFAULT_PORT, Settings, load_settings

_TEMPORAL_PORT: Final = 7233
_UI_PORT: Final = 8233
_FAILED: Final = 1


def demo(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the end as JSON; the rest on standard error.")
    ] = False,
) -> None:
    """Run everything, make one round trip, show each step, stop everything.

    Exit codes: 0 each step happened; 1 a step is missing, or the call failed.
    """
    with tempfile.TemporaryDirectory(prefix="ringback-demo-") as folder:
        went_well = run(_demo(Path(folder), Console(stderr=as_json, highlight=False)))
    if as_json:
        print(json.dumps({"went_well": went_well}))
    raise typer.Exit(0 if went_well else _FAILED)


async def _demo(data: Path, console: Console) -> bool:
    console.print("Starting Temporal, gateway, worker and an outside service.")
    tour = Tour(console, SystemClock())
    observers = Observers(
        on_server_line=_ignore, on_step=tour.on_step, hooks=GatewaySteps(tour.on_step)
    )
    # Its own, so that no other worker on this Temporal server takes its activity.
    task_queue = f"{TASK_QUEUE}-{secrets.token_hex(4)}"
    port = free_ports(1)[0]
    settings = _isolated(load_settings(), data, port)
    async with running_stack(
        Ports(gateway=port), settings, observers, task_queue=task_queue
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
        Path | None, typer.Option(help="The folder to keep data in; by default your state folder.")
    ] = None,
    port: Annotated[int, typer.Option(help="The gateway's port.")] = DEFAULT_PORT,
    temporal_port: Annotated[int, typer.Option(help="Temporal's port.")] = _TEMPORAL_PORT,
    ui_port: Annotated[int, typer.Option(help="The port of Temporal's web UI.")] = _UI_PORT,
    service_port: Annotated[
        int, typer.Option(help="The outside service's port.")
    ] = DEFAULT_SERVICE_PORT,
    as_json: AsJson = False,
) -> None:
    """Run everything, and stay up until Ctrl-C."""
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
        msg = f"the data folder {folder} cannot be made ({exc.strerror}); choose another one"
        raise ConfigurationError(msg) from exc


async def _dev(ports: Ports, settings: Settings, *, as_json: bool) -> None:
    observers = Observers(on_server_line=_print_json if as_json else _print_line)
    async with running_stack(ports, settings, observers) as stack:
        print_exports(stack.settings, stack.client)
        found = {
            "gateway": stack.gateway,
            "temporal": stack.temporal,
            "ui": stack.ui,
            "service": stack.service,
        }
        ready = " ".join(f"{name} {where}" for name, where in found.items() if where is not None)
        print(json.dumps({"ready": found}) if as_json else f"ready {ready}", flush=True)
        await stop_requested()


def _ignore(line: str) -> None:
    """Do nothing with a line of the server: its last lines are in the error if it ends."""


def _print_json(line: str) -> None:
    print(json.dumps({"program": "temporal", "line": line}), flush=True)


def _print_line(line: str) -> None:
    print(f"temporal: {line}", flush=True)
