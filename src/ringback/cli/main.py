"""The `ringback` command: a table of commands, each imported when it is used.

Some imports are slow, and most commands need few of them.
"""

import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Annotated, Any, Final, NoReturn

import typer

import ringback
from ringback.app.command_help import WholeWordsCommand
from ringback.app.exits import run_command
from ringback.app.logs import set_up_logging
from ringback.domain.errors import ConfigurationError

COMMANDS: Final = {
    "demo": "ringback.cli.dev:demo",
    "dev": "ringback.cli.dev:dev",
    "serve": "ringback.cli.serve:serve",
    "consume": "ringback.cli.serving:consume",
    "worker": "ringback.cli.dev:worker",
    "http-service": "ringback.cli.dev:http_service",
    "client": "ringback.demo.client:client",
    "list": "ringback.cli.callbacks:list_callbacks",
    "show": "ringback.cli.callbacks:show",
    "audit": "ringback.cli.callbacks:audit",
    "complete": "ringback.cli.answer:complete",
    "fail": "ringback.cli.answer:fail",
    "heartbeat": "ringback.cli.answer:heartbeat",
    "cancel": "ringback.cli.answer:cancel",
    "approve": "ringback.cli.approvals:approve",
    "reject": "ringback.cli.approvals:reject",
    "inbox": "ringback.cli.people:inbox",
    "mcp": "ringback.cli.mcp:mcp",
    "votes": "ringback.cli.people:votes",
    "withdraw": "ringback.cli.people:withdraw",
    "claim": "ringback.cli.people:claim",
    "release": "ringback.cli.people:release",
    "reassign": "ringback.cli.people:reassign",
    "events": "ringback.cli.events:events",
    "sources": "ringback.cli.sources:sources",
    "link": "ringback.cli.admin:link",
    "revoke": "ringback.cli.admin:revoke",
    "extend": "ringback.cli.admin:extend",
    "redeliver": "ringback.cli.admin:redeliver",
    "give-up": "ringback.cli.admin:give_up",
    "notify": "ringback.cli.notify:notify",
    "webhook-secret": "ringback.cli.notify:webhook_secret",
    "sign-in-url": "ringback.cli.sessions:sign_in_url",
    "sessions": "ringback.cli.sessions:sessions",
    "keys": "ringback.cli.keys:keys",
    "purge": "ringback.cli.purge:purge",
    "migrate": "ringback.cli.maintenance:migrate",
    "status": "ringback.cli.status:status",
    "doctor": "ringback.cli.maintenance:doctor",
}
"""Each command, in the order of the help, with its function or its group of commands."""

_EXTRAS: Final = {"mcp": "mcp", "mcp_types": "mcp"}
"""The extra of a package that is not of the gateway."""

_LOGGING: Final = frozenset({"consume", "dev", "serve", "worker", "http-service"})
"""The programs that run until they are stopped log at INFO, the other commands at WARNING."""


def create_app(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """Return the command line with the given commands; default: all."""
    app = typer.Typer(
        name="ringback",
        help="Let anything outside a Temporal worker finish a Temporal activity.",
        rich_markup_mode=None,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    # Without a callback, Typer would run a single command without its name.
    app.callback()(_options)
    for name in names:
        command = _load(COMMANDS[name])
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name, cls=WholeWordsCommand)(command)
    return app


def named(words: Sequence[str]) -> list[str]:
    """Return the commands that a command line needs: the one that it names, or all."""
    first = words[0] if words else ""
    if first == "--version":
        return []
    return [first] if first in COMMANDS else list(COMMANDS)


def _load(home: str) -> Any:
    module, _, name = home.partition(":")
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] == ringback.__name__:
            raise
        return _without(exc.name or "")


def _without(package: str) -> Callable[[], None]:
    """Return a stand-in for a command whose package is not installed."""
    install = f"run: pip install 'ringback[{_EXTRAS.get(package.partition('.')[0], 'gateway')}]'"

    def missing() -> None:
        msg = f"this command needs {package}; {install}"
        raise ConfigurationError(msg)

    missing.__doc__ = f"Not installed; {install}."
    return missing


def _version(is_wanted: bool) -> None:  # noqa: FBT001 - Typer calls it with the flag
    if is_wanted:
        print(ringback.__version__)
        raise typer.Exit


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
    run_command(create_app(named(sys.argv[1:])))
