"""Commands by which a person decides: approve or reject what waits for an approval."""

import getpass
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final

import typer

from ringback.app.program import run
from ringback.cli.answer import say
from ringback.cli.gateway import operator_client, send_answer
from ringback.cli.given import AsJson, to_json
from ringback.cli.target import CallbackArgument
from ringback.client.gateway_client import GatewayClient
from ringback.domain.errors import MalformedAnswerError, Problem, WrongResultError
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Completed, Failed
from ringback.schemas.responses import ReceiptOut, ResultProblemOut

DENIED: Final = "ApprovalDenied"
"""The failure type of a rejection."""

Reason = Annotated[str | None, typer.Option(help="Why, in a sentence; the workflow is told.")]
By = Annotated[
    str | None,
    typer.Option(
        help="Name recorded as the approver (default: your OS user). It is not authenticated."
    ),
]
Wait = Annotated[
    int,
    typer.Option(
        min=0, metavar="SECONDS", help="Wait at most that long until Temporal has the decision."
    ),
]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person said of it.

    Attributes:
        by: Who decided, if it was given.
        user: This machine's user, if it was not.
        reason: Why, if it was given.
    """

    by: str | None
    user: str | None
    reason: str | None

    @property
    def who(self) -> str | None:
        """Who decided."""
        return self.by or self.user

    def approvals(self) -> Iterator[bytes]:
        """Yield the approval in each shape that an activity may return, the fullest one first.

        What was said on purpose is in all of them: an activity without a place for it refuses it.
        """
        yield _json(approved=True, by=self.who, reason=self.reason)
        if self.by is None:
            yield _json(approved=True, reason=self.reason)
            if self.reason is None:
                yield b"true"

    def rejection(self) -> Failed:
        """Return the failure that says no for good, so that nobody is asked again."""
        message = "approval denied" + (f": {self.reason}" if self.reason else "")
        details = b"[" + _json(approved=False, by=self.who, reason=self.reason) + b"]"
        return Failed(message, type=DENIED, non_retryable=True, details=details)


def approve(
    callback_id: CallbackArgument,
    reason: Reason = None,
    by: By = None,
    result: Annotated[
        str | None,
        typer.Option(
            metavar="JSON",
            help="The whole result, where the activity returns another shape; @FILE reads a file, -"
            " reads standard input.",
        ),
    ] = None,
    wait: Wait = 0,
    as_json: AsJson = False,
) -> None:
    """Say yes: the activity completes with {"approved": true, "by": …, "reason": …}.

    Where it returns less than that, it gets less: no "by" that was not given, or just true.
    """
    if result is not None and (reason is not None or by is not None):
        msg = "--result is the whole result: give --by and --reason in it"
        raise typer.BadParameter(msg)
    given = to_json(result)
    if given is not None and _says_no(given):
        msg = "the result says no; to say no, run: ringback reject"
        raise typer.BadParameter(msg)
    decision = _decision(by, reason)
    receipt = run(_approve(CallbackId(callback_id), given, decision, timedelta(seconds=wait)))
    say(receipt, as_json=as_json, prefix="approved; ")


def reject(
    callback_id: CallbackArgument,
    reason: Reason = None,
    by: By = None,
    wait: Wait = 0,
    as_json: AsJson = False,
) -> None:
    """Say no: the activity fails for good, with the type ApprovalDenied; nobody is asked again."""
    failed = _decision(by, reason).rejection()
    receipt = run(_reject(CallbackId(callback_id), failed, timedelta(seconds=wait)))
    say(receipt, as_json=as_json, prefix="rejected; ")


async def _approve(
    callback_id: CallbackId, given: bytes | None, decision: Decision, wait: timedelta
) -> ReceiptOut:
    async with operator_client() as client:
        result = given or await _fitting(client, callback_id, decision)
        return await send_answer(client, callback_id, Completed(result), wait=wait)


async def _reject(callback_id: CallbackId, failed: Failed, wait: timedelta) -> ReceiptOut:
    async with operator_client() as client:
        return await send_answer(client, callback_id, failed, wait=wait)


async def _fitting(client: GatewayClient, callback_id: CallbackId, decision: Decision) -> bytes:
    """Return the fullest approval that the activity returns."""
    wrong: list[list[ResultProblemOut]] = []
    for result in decision.approvals():
        problems = await client.check(callback_id, result)
        if not problems:
            return result
        wrong.append(problems)
    said = WrongResultError([Problem(one.pointer, one.detail) for one in wrong[0]])
    msg = f"{said}; give the whole result with --result"
    raise MalformedAnswerError(msg)


def _decision(by: str | None, reason: str | None) -> Decision:
    return Decision(by or None, None if by else _user(), reason or None)


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may have no name for who runs in it.
        return None


def _says_no(result: bytes) -> bool:
    given = json.loads(result)
    approved = given.get("approved") if isinstance(given, dict) else given
    return approved is False


def _json(**members: object) -> bytes:
    given = {name: value for name, value in members.items() if value is not None}
    return json.dumps(given, ensure_ascii=False).encode()
