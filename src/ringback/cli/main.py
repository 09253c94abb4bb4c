"""The `ringback` command."""

import os
import sys
from typing import Annotated, Final, NoReturn

import typer

import ringback
from ringback.app.program import set_up_logging
from ringback.cli import look, programs, stack
from ringback.cli.exits import exit_code
from ringback.demo.client import client
from ringback.domain.errors import RingbackError

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


def _version(is_wanted: bool) -> None:  # noqa: FBT001 - Typer calls it with the flag
    if is_wanted:
        print(ringback.__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[  # noqa: ARG001 - its callback prints and ends
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    set_up_logging()


def main() -> NoReturn:
    """Run the command line; an error is one line, and its exit code says what to do next."""
    code = _run()
    sys.stdout.flush()
    sys.stderr.flush()
    # An interpreter that ends while the SDK's threads still run may hang or crash: temporalio 1.35,
    # issue 300 of sdk-python. Everything of ours is closed and flushed by now.
    os._exit(code)


def _run() -> int:
    try:
        app()
    except RingbackError as exc:
        print(f"ringback: {exc}", file=sys.stderr)
        return exit_code(exc)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 0 if exc.code is None else 1
    return 0
