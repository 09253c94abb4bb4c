"""Commands that run everything on this machine."""

import json
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from ringback.app.exports import COMMENT
from ringback.app.processes import ringback_command, run_to_end
from ringback.app.program import run, stop_requested
from ringback.cli.given import AsJson
from ringback.cli.programs import DEFAULT_SERVICE_PORT
from ringback.demo.stack import Addresses, Ports, running_stack, unused_ports
from ringback.demo.tour import Tour
from ringback.settings import DEFAULT_PORT, load_settings

_TEMPORAL_PORT: Final = 7233
_UI_PORT: Final = 8233
_FOR_OTHERS: Final = ("export ", COMMENT)


def demo(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the end as JSON; the rest on standard error.")
    ] = False,
) -> None:
    """Run everything, make one round trip, show each step, stop everything."""
    with tempfile.TemporaryDirectory(prefix="ringback-demo-") as folder:
        code = run(_demo(Path(folder), Console(stderr=as_json, highlight=False)))
    if as_json:
        print(json.dumps({"went_well": code == 0}))
    raise typer.Exit(code)


async def _demo(data: Path, console: Console) -> int:
    console.print("Starting Temporal, gateway, worker and an outside service.")
    tour = Tour(console)
    async with running_stack(unused_ports(), data, tour.on_line, log="json") as addresses:
        console.print(
            f"Gateway {addresses.gateway}, Temporal {addresses.temporal}. One round trip:\n"
        )
        code = await _round_trip(addresses, data, tour)
    console.print("\nEverything is stopped.")
    return code


async def _round_trip(addresses: Addresses, data: Path, tour: Tour) -> int:
    environment = addresses.environment(data, log="json")
    client = ringback_command("client", "client", "-ttc", "2", **environment)
    return await run_to_end(client, tour.on_client_line)


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
    folder = data or load_settings().data
    folder.mkdir(parents=True, exist_ok=True)
    ports = Ports(gateway=port, temporal=temporal_port, ui=ui_port, service=service_port)
    run(_dev(ports, folder, as_json=as_json))


async def _dev(ports: Ports, data: Path, *, as_json: bool) -> None:
    print_line = _print_json if as_json else _print_line
    async with running_stack(ports, data, print_line) as addresses:
        found = {
            "gateway": addresses.gateway,
            "temporal": addresses.temporal,
            "ui": addresses.ui,
            "service": addresses.service,
        }
        ready = " ".join(f"{name} {where}" for name, where in found.items() if where is not None)
        print(json.dumps({"ready": found}) if as_json else f"ready {ready}", flush=True)
        await stop_requested()


def _print_json(program: str, line: str) -> None:
    if not line.startswith("ready"):
        print(json.dumps({"program": program, "line": line}), flush=True)


def _print_line(program: str, line: str) -> None:
    if line.startswith(_FOR_OTHERS):
        # To be copied into another terminal, so without the program's name.
        print(line, flush=True)
    elif not line.startswith("ready"):
        print(f"{program}: {line}", flush=True)
