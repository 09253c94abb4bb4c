"""The command that runs the gateway, in one process or in several."""

import logging
import os
import socket
import sys
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final

import typer

from ringback.app.logs import number_logs
from ringback.app.processes import Command, StartFailedError, Supervisor
from ringback.app.program import run, stop_requested
from ringback.app.web import bound_socket, listens_everywhere, reserved_socket, url_of
from ringback.cli.params import AsJson, Host, Port, say_ready
from ringback.core.services import SystemClock, jitter, run_services
from ringback.domain.errors import ConfigurationError
from ringback.settings import DEFAULT_PORT, Settings, load_settings

logger = logging.getLogger(__name__)

_MOST: Final = 64

_SQLITE: Final = (
    "--processes needs PostgreSQL: SQLite has one writer at a time, for which processes would take"
    " turns; set RINGBACK_STORE=postgresql://…, or leave --processes out"
)


def serve(
    host: Host = "127.0.0.1",
    port: Port = DEFAULT_PORT,
    processes: Annotated[
        int,
        typer.Option(
            min=1,
            max=_MOST,
            help="How many gateways share the port, each a process of its own. More than one needs"
            " PostgreSQL and Linux.",
        ),
    ] = 1,
    process: Annotated[int | None, typer.Option(hidden=True)] = None,
    no_queues: Annotated[
        bool, typer.Option("--no-queues", help="Leave the queues to `ringback consume`.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the gateway.

    It accepts answers over HTTP and from queues, stores them, and delivers them to Temporal.
    """
    if process is not None:
        number_logs(process)
    settings = load_settings()
    if processes > 1:
        _supervise(settings, host, port, processes=processes, no_queues=no_queues, as_json=as_json)
        return
    # The parent of several processes needs none of it.
    from ringback.cli.serving import serve_alone  # noqa: PLC0415 - slow to load

    with bound_socket(host, port, is_shared=process is not None) as listening:
        if process is None:
            _say_where(listening)
        gateway = serve_alone(
            settings,
            listening,
            with_queues=not no_queues,
            as_json=as_json,
            with_exports=process in {None, 0},
        )
        run(gateway)


def _supervise(
    settings: Settings, host: str, port: int, *, processes: int, no_queues: bool, as_json: bool
) -> None:
    """Run several processes until a stop signal.

    Raises:
        ConfigurationError: The store or the system cannot be shared, or the port cannot be used.
        Exit: A process failed at its start, and has printed why.
    """
    if settings.postgresql_url is None:
        raise ConfigurationError(_SQLITE)
    if sys.platform != "linux":
        msg = "--processes needs Linux, which spreads connections; leave it out"
        raise ConfigurationError(msg)
    with reserved_socket(host, port) as reserved:
        _say_where(reserved)
        words = [sys.executable, "-m", "ringback", "serve", "--host", host]
        words += ["--port", str(reserved.getsockname()[1])]
        words += ["--no-queues"] if no_queues else []
        commands = [
            Command([*words, "--process", str(number)], _environment(settings, number, processes))
            for number in range(processes)
        ]
        ready = partial(say_ready, url_of(reserved), as_json=as_json)
        try:
            run(_run_all(commands, ready))
        except StartFailedError as exc:
            raise typer.Exit(exc.code) from exc


async def _run_all(commands: Sequence[Command], ready: partial[None]) -> None:
    supervisor = Supervisor(commands, clock=SystemClock(), jitter=jitter, on_ready=ready)
    async with run_services(supervisor):
        await stop_requested()


def _environment(settings: Settings, number: int, count: int) -> dict[str, str]:
    """Return the environment of process `number` of `count`.

    They share the polls of Temporal, and each has a port for its metrics.
    """
    share = max(1, settings.polls_per_second // count)
    environment = {**os.environ, "RINGBACK_POLLS_PER_SECOND": str(share)}
    if settings.metrics_port is not None:
        environment["RINGBACK_METRICS_PORT"] = str(settings.metrics_port + number)
    return environment


def _say_where(listening: socket.socket) -> None:
    """Warn on standard error if the address is reachable from other machines."""
    host = listening.getsockname()[0]
    if listens_everywhere(host):
        print(f"listening on every address of this machine ({host})", file=sys.stderr)
