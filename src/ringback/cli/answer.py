"""Commands that tell an activity from outside how it ends, or that its work goes on.

One way needs the store, the other the completion client: each is loaded when it is taken.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ringback.app.exits import REFUSED, TRY_AGAIN
from ringback.app.program import run
from ringback.cli.given import AsJson, check_one_stdin, to_details, to_duration, to_json
from ringback.cli.naming import (
    ActivityId,
    CallbackOption,
    Names,
    Namespace,
    RunId,
    Subject,
    Token,
    TokenFile,
    WorkflowId,
)
from ringback.domain.callback import State
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.ports.activities import Pulse

if TYPE_CHECKING:
    from ringback.cli.by_callback import Taken

_IN_WORDS: Final = {
    State.ACCEPTED: "accepted: it is kept, and a running gateway brings it to Temporal",
    State.APPLIED: "applied: Temporal has taken it",
    State.SUPERSEDED: "superseded: the activity's own end came first",
    State.PARKED: "parked: it is kept, and a person must look",
}

Wait = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="Wait so long, with --callback, until it is known what became of the answer.",
    ),
]
Details = Annotated[
    str | None,
    typer.Option(metavar="JSON", help="JSON; @FILE reads a file, - reads standard input."),
]


def complete(
    token: Token = None,
    token_file: TokenFile = None,
    workflow_id: WorkflowId = None,
    run_id: RunId = None,
    activity_id: ActivityId = None,
    namespace: Namespace = None,
    callback: CallbackOption = None,
    result: Annotated[
        str | None,
        typer.Option(
            metavar="JSON",
            help="The result: JSON; @FILE reads a file, - reads standard input. Without it there is"
            " none.",
        ),
    ] = None,
    wait: Wait = 0,
    as_json: AsJson = False,
) -> None:
    """Complete an activity that waits, with a result.

    By token or ids Temporal is told at once. By callback the answer is kept
    first, and a running gateway delivers it.
    """
    check_one_stdin(token, result)
    names = Names(token, token_file, workflow_id, run_id, activity_id, namespace, callback)
    _end(names.subject(), Completed(to_json(result)), wait=wait, as_json=as_json)


def fail(
    message: Annotated[str, typer.Option(help="What went wrong, for people.")],
    token: Token = None,
    token_file: TokenFile = None,
    workflow_id: WorkflowId = None,
    run_id: RunId = None,
    activity_id: ActivityId = None,
    namespace: Namespace = None,
    callback: CallbackOption = None,
    type_: Annotated[
        str | None,
        typer.Option("--type", help="For code: the workflow tells failures apart by it."),
    ] = None,
    non_retryable: Annotated[
        bool, typer.Option("--non-retryable", help="No for good: Temporal does not try again.")
    ] = False,
    details: Annotated[
        str | None,
        typer.Option(
            metavar="JSON",
            help="JSON; @FILE reads a file, - reads standard input. A list is several details.",
        ),
    ] = None,
    next_retry_delay: Annotated[
        timedelta | None,
        typer.Option(
            parser=to_duration,
            metavar="DURATION",
            help="How long Temporal waits before it tries again: 90s, 5m, 2d.",
        ),
    ] = None,
    wait: Wait = 0,
    as_json: AsJson = False,
) -> None:
    """Fail an activity that waits. Unless it is non-retryable, Temporal may try again.

    By token or ids Temporal is told at once. By callback the answer is kept
    first, and a running gateway delivers it.
    """
    check_one_stdin(token, details)
    names = Names(token, token_file, workflow_id, run_id, activity_id, namespace, callback)
    failed = Failed(message, type_ or None, non_retryable, to_details(details), next_retry_delay)
    _end(names.subject(), failed, wait=wait, as_json=as_json)


def cancel(
    token: Token = None,
    token_file: TokenFile = None,
    workflow_id: WorkflowId = None,
    run_id: RunId = None,
    activity_id: ActivityId = None,
    namespace: Namespace = None,
    callback: CallbackOption = None,
    details: Details = None,
    wait: Wait = 0,
    as_json: AsJson = False,
) -> None:
    """Report that the work was canceled, after somebody asked the activity to cancel.

    Without such a request it is refused. By callback the answer is kept
    first, and a running gateway delivers it.
    """
    check_one_stdin(token, details)
    names = Names(token, token_file, workflow_id, run_id, activity_id, namespace, callback)
    _end(names.subject(), Canceled(to_json(details)), wait=wait, as_json=as_json)


def heartbeat(
    token: Token = None,
    token_file: TokenFile = None,
    workflow_id: WorkflowId = None,
    run_id: RunId = None,
    activity_id: ActivityId = None,
    namespace: Namespace = None,
    callback: CallbackOption = None,
    details: Details = None,
    as_json: AsJson = False,
) -> None:
    """Tell that the work goes on, and learn whether anybody still wants it.

    Without details those that were told before stay. Exit codes: 0 go on;
    1 stop, for the activity was asked to cancel, was reset, or has ended;
    3 it is paused, or Temporal does not answer: go on later.
    """
    check_one_stdin(token, details)
    names = Names(token, token_file, workflow_id, run_id, activity_id, namespace, callback)
    heard = run(_beat(names.subject(), to_json(details)))
    print(json.dumps(heard.to_json()) if as_json else heard.in_words())
    raise typer.Exit(heard.exit_code())


def say(taken: "Taken", *, as_json: bool, prefix: str = "") -> None:
    """Print what became of an answer to a callback."""
    if as_json:
        told = {
            "callback": taken.callback_id,
            "state": taken.state.value,
            "accepted_at": taken.accepted_at.isoformat(),
            "duplicate": taken.is_duplicate,
        }
        print(json.dumps(told))
        return
    again = f"the same answer was accepted {taken.accepted_at}; " if taken.is_duplicate else ""
    print(f"{taken.callback_id} {prefix}{again}{_IN_WORDS[taken.state]}")


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back to a heartbeat.

    Attributes:
        pulse: What Temporal says.
        deadline_at: When an answer comes too late, as far as is known.
    """

    pulse: Pulse
    deadline_at: datetime | None = None

    def to_json(self) -> dict[str, object]:
        """Return it as the gateway has it."""
        return {
            "cancel_requested": self.pulse.cancel_requested,
            "paused": self.pulse.paused,
            "reset": self.pulse.reset,
            "deadline": None if self.deadline_at is None else self.deadline_at.isoformat(),
        }

    def in_words(self) -> str:
        """Return what to do next, for people."""
        if self.pulse.cancel_requested:
            return "cancel requested: stop the work, then report it with: ringback cancel"
        if self.pulse.reset:
            return "reset: the work should begin anew"
        if self.pulse.paused:
            return "paused: wait; an answer is still taken"
        return "taken: go on"

    def exit_code(self) -> int:
        """Return what to do next, for programs."""
        if self.pulse.cancel_requested or self.pulse.reset:
            return REFUSED
        return TRY_AGAIN if self.pulse.paused else 0


def _end(subject: Subject, outcome: Outcome, *, wait: int, as_json: bool) -> None:
    if isinstance(subject, str):
        say(run(_answer(subject, outcome, timedelta(seconds=wait))), as_json=as_json)
        return
    if wait:
        msg = "--wait goes with --callback; by token or ids Temporal's word is the end of it"
        raise typer.BadParameter(msg)
    from ringback.cli import by_client  # noqa: PLC0415 - slow to load, and not always needed

    run(by_client.end(subject, outcome))
    applied = State.APPLIED
    print(json.dumps({"state": applied.value}) if as_json else _IN_WORDS[applied])


async def _answer(callback_id: CallbackId, outcome: Outcome, wait: timedelta) -> "Taken":
    from ringback.cli import by_callback  # noqa: PLC0415 - slow to load, and not always needed

    async with by_callback.opened() as opened:
        return await by_callback.answer(opened, callback_id, outcome, wait=wait)


async def _beat(subject: Subject, details: bytes | None) -> Heard:
    if isinstance(subject, str):
        from ringback.cli import by_callback  # noqa: PLC0415 - as above

        sign = await by_callback.beat(subject, details)
        return Heard(sign.pulse, sign.deadline_at)
    from ringback.cli import by_client  # noqa: PLC0415 - as above

    return Heard(await by_client.beat(subject, details))
