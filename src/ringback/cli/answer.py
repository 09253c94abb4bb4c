"""Commands that complete, fail, cancel or heartbeat an activity.

The gateway answers a callback; the completion client acts on any other activity. Each is loaded
when it is used.
"""

import json
from datetime import timedelta
from typing import Annotated, Final

import typer

from ringback.app.exits import REFUSED, TRY_AGAIN
from ringback.app.program import run
from ringback.cli.params import (
    AsJson,
    Details,
    Result,
    Wait,
    check_one_stdin,
    duration_option,
    to_details,
    to_json,
)
from ringback.cli.target import Names, Subject, on_activity
from ringback.domain.alias import Alias
from ringback.domain.callback import State
from ringback.domain.durations import format_instant
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.schemas.responses import ReceiptOut, SignOut

_IN_WORDS: Final = {
    State.OPEN: "counted: more people must decide; see: ringback votes",
    State.ACCEPTED: "accepted: it is stored, and the gateway delivers it to Temporal",
    State.APPLIED: "applied: Temporal has it",
    State.SUPERSEDED: "superseded: the activity ended before it was delivered",
    State.PARKED: "parked: it is stored, but cannot be delivered; see: ringback show",
}


@on_activity
def complete(
    names: Names,
    result_argument: Annotated[
        str | None, typer.Argument(metavar="RESULT", help="The result, as with --result.")
    ] = None,
    result: Result = None,
    wait: Wait = 0,
    as_json: AsJson = False,
) -> None:
    """Complete a waiting activity with a result.

    The answer to a callback is stored by the gateway and then delivered to Temporal. With a token
    or ids, the command sends it to Temporal itself. Without a result the activity returns nothing.
    """
    if result_argument is not None and result is not None:
        msg = "give the result once: as the argument or by --result"
        raise typer.BadParameter(msg)
    given = result if result_argument is None else result_argument
    check_one_stdin(names.token, given)
    _end(names.subject(), Completed(to_json(given)), wait=wait, as_json=as_json)


@on_activity
def fail(
    names: Names,
    message: Annotated[str, typer.Option(help="What went wrong, for people.")],
    type_: Annotated[
        str | None,
        typer.Option("--type", help="The failure's type, by which code distinguishes failures."),
    ] = None,
    non_retryable: Annotated[
        bool, typer.Option("--non-retryable", help="Final: Temporal does not retry the activity.")
    ] = False,
    details: Details = None,
    next_retry_delay: Annotated[
        timedelta | None,
        duration_option("How long Temporal waits before the next attempt: 90s, 5m, 2d."),
    ] = None,
    wait: Wait = 0,
    as_json: AsJson = False,
) -> None:
    """Fail a waiting activity; Temporal may retry it.

    The answer to a callback is stored by the gateway and then delivered to Temporal. With a token
    or ids, the command sends it to Temporal itself. A JSON array of details is several details.
    """
    check_one_stdin(names.token, details)
    failed = Failed(message, type_ or None, non_retryable, to_details(details), next_retry_delay)
    _end(names.subject(), failed, wait=wait, as_json=as_json)


@on_activity
def cancel(names: Names, details: Details = None, wait: Wait = 0, as_json: AsJson = False) -> None:
    """Report that the work was canceled, as requested.

    It is refused when nobody requested a cancellation of the activity.
    """
    check_one_stdin(names.token, details)
    _end(names.subject(), Canceled(to_json(details)), wait=wait, as_json=as_json)


@on_activity
def heartbeat(names: Names, details: Details = None, as_json: AsJson = False) -> None:
    """Send a heartbeat; print whether to continue.

    Without details, those of the previous heartbeat remain. Exit codes: 0 continue; 1 stop: a
    cancellation was requested, or the activity was reset or has ended; 3 the activity is paused,
    or a reply is missing: continue later.
    """
    check_one_stdin(names.token, details)
    reply = run(_heartbeat(names.subject(), to_json(details)))
    print(reply.model_dump_json() if as_json else in_words(reply))
    raise typer.Exit(exit_code_of(reply))


def say_receipt(receipt: ReceiptOut, *, as_json: bool, prefix: str = "") -> None:
    """Print the reply to an answer."""
    if as_json:
        print(receipt.model_dump_json())
        return
    at = format_instant(receipt.accepted_at)
    again = f"the same answer was accepted {at}; " if receipt.duplicate else ""
    print(f"{receipt.callback} {prefix}{again}{_IN_WORDS[State(receipt.state)]}")


def in_words(reply: SignOut) -> str:
    """Return the reply to a heartbeat as an instruction for people."""
    if reply.cancel_requested:
        return "cancel requested: stop the work, then report it with: ringback cancel"
    if reply.reset:
        return "reset: start the work again from the beginning"
    if reply.paused:
        return "paused: wait; an answer is still accepted"
    return "recorded: continue the work"


def exit_code_of(reply: SignOut) -> int:
    """Return the reply to a heartbeat as an exit code."""
    if reply.cancel_requested or reply.reset:
        return REFUSED
    return TRY_AGAIN if reply.paused else 0


def _end(subject: Subject, outcome: Outcome, *, wait: int, as_json: bool) -> None:
    if isinstance(subject, str | Alias):
        say_receipt(run(_answer(subject, outcome, timedelta(seconds=wait))), as_json=as_json)
        return
    if wait:
        msg = (
            "--wait only works with a callback; with --token or ids the command already waits for"
            " Temporal's reply"
        )
        raise typer.BadParameter(msg)
    from ringback.cli import by_client  # noqa: PLC0415 - slow to load, and not always needed

    run(by_client.end(subject, outcome))
    applied = State.APPLIED
    print(json.dumps({"state": applied.value}) if as_json else _IN_WORDS[applied])


async def _answer(to: CallbackId | Alias, outcome: Outcome, wait: timedelta) -> ReceiptOut:
    from ringback.cli.gateway import operator_client, send_answer  # noqa: PLC0415 - as above

    async with operator_client() as client:
        return await send_answer(client, to, outcome, wait=wait)


async def _heartbeat(subject: Subject, details: bytes | None) -> SignOut:
    if isinstance(subject, str | Alias):
        from ringback.cli.gateway import operator_client  # noqa: PLC0415 - as above

        async with operator_client() as client:
            return await client.heartbeat(subject, details)
    from ringback.cli import by_client  # noqa: PLC0415 - as above

    return await by_client.heartbeat(subject, details)
