"""The client: a command that starts the workflow, waits for it, and shows how it ended."""

import asyncio
import json
import logging
import sys
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, NoReturn, assert_never

import typer
from rich.console import Console

from ringback.app.command_help import WholeWordsCommand
from ringback.app.exits import run_command
from ringback.app.logs import set_up_logging
from ringback.app.program import run
from ringback.app.system import SystemClock
from ringback.demo.call import (
    Ending,
    Look,
    WorkflowCall,
    WorkflowCanceled,
    WorkflowFailed,
    WorkflowReturned,
    WorkflowTimedOut,
    finished,
    start_call,
)
from ringback.demo.request import ActivityAction, CallRequest
from ringback.ports.clock import Clock
from ringback.temporal.connect import connect

ENDED_BADLY: Final = 1

_WORDS: Final[dict[type[Ending], str]] = {
    WorkflowReturned: "completed",
    WorkflowCanceled: "canceled",
    WorkflowFailed: "failed",
    WorkflowTimedOut: "timed out",
}

_TAKE_UP: Final = timedelta(seconds=5)
"""How long a worker may take to start before the client prints a hint."""


def client(  # noqa: PLR0917 - Typer reads options from parameters
    time_to_request: Annotated[
        int,
        typer.Option(
            "--time-to-request",
            "-ttr",
            min=0,
            metavar="INTEGER",
            help="How much time (in seconds) the HTTP Service waits until it returns an HTTP 200 OK"
            " response to the activity",
        ),
    ] = 1,
    time_to_callback: Annotated[
        int,
        typer.Option(
            "--time-to-callback",
            "-ttc",
            min=0,
            metavar="INTEGER",
            help="How much time (in seconds) the HTTP Service waits until it makes a callback"
            " request to the gateway's HTTP endpoint",
        ),
    ] = 10,
    activity_action: Annotated[
        ActivityAction,
        typer.Option(
            "--activity-action",
            "-a",
            metavar=f"[{'|'.join(ActivityAction)}]",
            help="Which activity action do we want the activity to perform. (maps to the different"
            " handle options described on"
            " https://docs.temporal.io/develop/python/asynchronous-activity-completion).",
        ),
    ] = ActivityAction.COMPLETE,
    as_json: Annotated[  # noqa: FBT002 - Typer reads a flag from a bool with a default
        bool, typer.Option("--json", help="Print the end as JSON; the rest on standard error.")
    ] = False,
) -> None:
    """Start the demo's workflow, wait for it, and show how it ended.

    Exit codes: 0 completed, or canceled as asked; 1 failed or timed out; 3 Temporal is unreachable.
    """
    request = CallRequest(time_to_request, time_to_callback, activity_action)
    sys.exit(run(_call(request, as_json=as_json)))


async def _call(request: CallRequest, *, as_json: bool) -> int:
    clock = SystemClock()
    temporal = await finished(connect())
    call = await start_call(temporal, request, clock)
    shown = CallView(Console(stderr=as_json, highlight=False, soft_wrap=True), clock)
    try:
        ending = await follow(call, request, shown, clock=clock)
    except asyncio.CancelledError:
        shown.say("stopped waiting; the workflow goes on without this client")
        raise
    if as_json:
        told = {"workflow_id": call.workflow_id, "ending": _WORDS[type(ending)], **asdict(ending)}
        sys.stdout.write(f"{json.dumps(told)}\n")
    return shown.end(ending)


async def follow(
    call: WorkflowCall, request: CallRequest, shown: "CallView", *, clock: Clock
) -> Ending:
    """Show the call until it ends; cancel it when that is what was asked for.

    Raises:
        RingbackError: Temporal cannot be reached, or does not know the workflow.
    """
    shown.say(f"started {call.workflow_id}")
    cancel_at: datetime | None = None
    is_to_cancel = request.activity_action is ActivityAction.REPORT_CANCELLATION
    async for look in call.looks():
        shown.look(look)
        if is_to_cancel and look.is_asked:
            cancel_at = cancel_at or clock.now() + timedelta(seconds=request.time_to_request)
            if clock.now() >= cancel_at:
                is_to_cancel = False
                await call.cancel()
    return await call.ending()


class CallView:
    """What the reader sees of a call."""

    def __init__(self, console: Console, clock: Clock) -> None:
        """Show on `console`; `clock` times the hint about a missing worker."""
        self._console = console
        self._clock = clock
        self._began_at = clock.now()
        self._heartbeat: object = None
        self._has_warned = False

    def say(self, text: str, style: str = "") -> None:
        """Print one line, without markup."""
        self._console.print(text, style=style, markup=False)

    def look(self, look: Look) -> None:
        """Show what is new in `look`."""
        if look.heartbeat and look.heartbeat != self._heartbeat:
            self._heartbeat = look.heartbeat
            self.say(f"heartbeat: {to_text(look.heartbeat)}")
        is_late = self._clock.now() - self._began_at > _TAKE_UP
        if is_late and not look.is_taken_up and not self._has_warned:
            self._has_warned = True
            self.say("no worker has taken it up yet; is one running? (ringback worker)", "yellow")

    def end(self, ending: Ending) -> int:
        """Show how it ended; return the exit code."""
        match ending:
            case WorkflowReturned(result):
                self.say(f"completed: {json.dumps(result)}", "green")
                return 0
            case WorkflowCanceled(details):
                self.say(f"canceled: {to_text(details)}", "green")
                return 0
            case WorkflowFailed(message, kind):
                self.say(f"failed: {message} (type {kind})", "red")
                return ENDED_BADLY
            case WorkflowTimedOut(limit):
                self.say(f"timed out: nobody answered in time ({limit})", "red")
                return ENDED_BADLY
            case _:
                assert_never(ending)


def to_text(details: Any) -> str:
    """Return details as JSON; a single one without the list around it."""
    return json.dumps(details[0] if len(details) == 1 else list(details))


def main() -> NoReturn:
    """Run the command by itself, as `ringback client` does."""
    set_up_logging(logging.WARNING)
    app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
    app.command(cls=WholeWordsCommand)(client)
    run_command(app)


if __name__ == "__main__":
    main()
