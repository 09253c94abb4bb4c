"""Commands that complete, fail, cancel or heartbeat an activity.

A callback is answered at the gateway, any other activity with the completion client: each is loaded
when it is used.
"""

import json
from datetime import timedelta
from typing import Annotated, Final

import typer

from ringback.app.exits import REFUSED, TRY_AGAIN
from ringback.app.program import run
from ringback.cli.given import AsJson, check_one_stdin, to_details, to_duration, to_json
from ringback.cli.target import (
    ActivityId,
    CallbackOption,
    Names,
    Namespace,
    OptionalCallback,
    RunId,
    Subject,
    Token,
    TokenFile,
    WorkflowId,
    one_callback,
)
from ringback.domain.callback import State
from ringback.domain.durations import format_instant
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.schemas.responses import ReceiptOut, SignOut

_IN_WORDS: Final = {
    State.ACCEPTED: "accepted: it is stored, and the gateway delivers it to Temporal",
    State.APPLIED: "applied: Temporal has it",
    State.SUPERSEDED: "superseded: the activity ended before it was delivered",
    State.PARKED: "parked: it is stored, but cannot be delivered; see: ringback show",
}

Wait = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="With a callback, wait at most that long until Temporal has the answer.",
    ),
]
Details = Annotated[
    str | None,
    typer.Option(metavar="JSON", help="JSON; @FILE reads a file, - reads standard input."),
]


def complete(
    callback_id: OptionalCallback = None,
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

    By token or ids it goes to Temporal at once. By callback the gateway stores it
    first, and then delivers it.
    """
    check_one_stdin(token, result)
    named = one_callback(callback_id, callback)
    names = Names(token, token_file, workflow_id, run_id, activity_id, namespace, named)
    _end(names.subject(), Completed(to_json(result)), wait=wait, as_json=as_json)


def fail(
    message: Annotated[str, typer.Option(help="What went wrong, for people.")],
    callback_id: OptionalCallback = None,
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

    By token or ids it goes to Temporal at once. By callback the gateway stores it
    first, and then delivers it.
    """
    check_one_stdin(token, details)
    named = one_callback(callback_id, callback)
    names = Names(token, token_file, workflow_id, run_id, activity_id, namespace, named)
    failed = Failed(message, type_ or None, non_retryable, to_details(details), next_retry_delay)
    _end(names.subject(), failed, wait=wait, as_json=as_json)


def cancel(
    callback_id: OptionalCallback = None,
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

    Without such a request it is refused. By callback the gateway stores it
    first, and then delivers it.
    """
    check_one_stdin(token, details)
    named = one_callback(callback_id, callback)
    names = Names(token, token_file, workflow_id, run_id, activity_id, namespace, named)
    _end(names.subject(), Canceled(to_json(details)), wait=wait, as_json=as_json)


def heartbeat(
    callback_id: OptionalCallback = None,
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
    """Report that the work goes on, and learn whether it is still wanted.

    Without details the last ones stay. Exit codes: 0 go on;
    1 stop, because the activity was asked to cancel, was reset, or has ended;
    3 it is paused, or there is no reply: go on later.
    """
    check_one_stdin(token, details)
    named = one_callback(callback_id, callback)
    names = Names(token, token_file, workflow_id, run_id, activity_id, namespace, named)
    reply = run(_heartbeat(names.subject(), to_json(details)))
    print(reply.model_dump_json() if as_json else in_words(reply))
    raise typer.Exit(exit_code_of(reply))


def say(receipt: ReceiptOut, *, as_json: bool, prefix: str = "") -> None:
    """Print what became of an answer to a callback."""
    if as_json:
        print(receipt.model_dump_json())
        return
    at = format_instant(receipt.accepted_at)
    again = f"the same answer was accepted {at}; " if receipt.duplicate else ""
    print(f"{receipt.callback} {prefix}{again}{_IN_WORDS[State(receipt.state)]}")


def in_words(reply: SignOut) -> str:
    """Return for people what a heartbeat's reply asks for."""
    if reply.cancel_requested:
        return "cancel requested: stop the work, then report it with: ringback cancel"
    if reply.reset:
        return "reset: start the work again from the beginning"
    if reply.paused:
        return "paused: wait; an answer is still accepted"
    return "recorded: go on"


def exit_code_of(reply: SignOut) -> int:
    """Return for programs what a heartbeat's reply asks for."""
    if reply.cancel_requested or reply.reset:
        return REFUSED
    return TRY_AGAIN if reply.paused else 0


def _end(subject: Subject, outcome: Outcome, *, wait: int, as_json: bool) -> None:
    if isinstance(subject, str):
        say(run(_answer(subject, outcome, timedelta(seconds=wait))), as_json=as_json)
        return
    if wait:
        msg = (
            "--wait only works with --callback; with --token or ids the command already waits for"
            " Temporal's reply"
        )
        raise typer.BadParameter(msg)
    from ringback.cli import by_client  # noqa: PLC0415 - slow to load, and not always needed

    run(by_client.end(subject, outcome))
    applied = State.APPLIED
    print(json.dumps({"state": applied.value}) if as_json else _IN_WORDS[applied])


async def _answer(callback_id: CallbackId, outcome: Outcome, wait: timedelta) -> ReceiptOut:
    from ringback.cli.gateway import operator_client, send_answer  # noqa: PLC0415 - as above

    async with operator_client() as client:
        return await send_answer(client, callback_id, outcome, wait=wait)


async def _heartbeat(subject: Subject, details: bytes | None) -> SignOut:
    if isinstance(subject, str):
        from ringback.cli.gateway import operator_client  # noqa: PLC0415 - as above

        async with operator_client() as client:
            return await client.heartbeat(subject, details)
    from ringback.cli import by_client  # noqa: PLC0415 - as above

    return await by_client.heartbeat(subject, details)
