"""The `ringback` command."""

import logging
from typing import Annotated, Final, NoReturn

import typer

import ringback
from ringback.app.exits import run_command
from ringback.app.program import set_up_logging
from ringback.cli import look, migrate, operate, programs, stack
from ringback.demo.client import client

app: Final = typer.Typer(
    name="ringback",
    help="Lets anyone outside a Temporal worker finish a Temporal activity.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command()(stack.demo)
app.command()(stack.dev)
app.command()(programs.serve)
app.command()(programs.worker)
app.command("http-service")(programs.http_service)
app.command()(client)
app.command("list")(look.list_callbacks)
app.command()(look.show)
app.command()(operate.extend)
app.command()(operate.redeliver)
app.command()(migrate.migrate)


_LOGGING: Final = frozenset({"serve", "worker", "http-service"})
"""The programs that run on: they tell what they do. The others answer, and tell only of trouble."""


def _version(is_wanted: bool) -> None:  # noqa: FBT001 - Typer calls it with the flag
    if is_wanted:
        print(ringback.__version__)
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback prints and ends
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    runs_on = context.invoked_subcommand in _LOGGING
    set_up_logging(logging.INFO if runs_on else logging.WARNING)


def main() -> NoReturn:
    """Run the command line."""
    run_command(app)
