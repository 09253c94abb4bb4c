"""Commands by which a person approves or rejects."""

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
from ringback.cli.params import AsJson, CallbackArgument, Result, Wait, to_json
from ringback.client.gateway_client import GatewayClient
from ringback.domain.errors import MalformedAnswerError, Problem, WrongResultError
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Completed, Failed
from ringback.schemas.responses import ReceiptOut, ResultProblemOut

DENIED: Final = "ApprovalDenied"
"""The type of the failure that a rejection is."""

Reason = Annotated[str | None, typer.Option(help="Why, in a sentence. The workflow gets it.")]
By = Annotated[
    str | None,
    typer.Option(
        help="Name recorded as the approver (default: your OS user). It is not authenticated."
    ),
]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided.

    Attributes:
        by: The value of `--by`.
        user: The OS user, if `--by` was not given.
        reason: The value of `--reason`.
    """

    by: str | None
    user: str | None
    reason: str | None

    @property
    def who(self) -> str | None:
        """The name that is recorded as the approver."""
        return self.by or self.user

    def approvals(self) -> Iterator[bytes]:
        """Yield the approval in each shape that an activity may return, the fullest one first.

        Every shape contains what was given as an option, so that it is refused rather than lost.
        """
        yield _json(approved=True, by=self.who, reason=self.reason)
        if self.by is None:
            yield _json(approved=True, reason=self.reason)
            if self.reason is None:
                yield b"true"

    def rejection(self) -> Failed:
        """Return the non-retryable failure, so that the activity does not ask again."""
        message = "approval denied" + (f": {self.reason}" if self.reason else "")
        details = b"[" + _json(approved=False, by=self.who, reason=self.reason) + b"]"
        return Failed(message, type=DENIED, non_retryable=True, details=details)


def approve(
    callback_id: CallbackArgument,
    reason: Reason = None,
    by: By = None,
    result: Result = None,
    wait: Wait = 0,
    as_json: AsJson = False,
) -> None:
    """Approve: the activity completes.

    Its result is {"approved": true, "by": …, "reason": …}, or as much of it as the activity's
    result type has: without the OS user as "by", or true alone. --result replaces it.
    """
    if result is not None and (reason is not None or by is not None):
        msg = "--result is the whole result; write the approver and the reason in it"
        raise typer.BadParameter(msg)
    given = to_json(result)
    if given is not None and _is_rejection(given):
        msg = 'the result says "approved": false; to reject, run: ringback reject'
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
    """Reject: the activity fails and is not retried.

    The failure has the type ApprovalDenied, and the decision as its details.
    """
    failed = _decision(by, reason).rejection()
    receipt = run(_reject(CallbackId(callback_id), failed, timedelta(seconds=wait)))
    say(receipt, as_json=as_json, prefix="rejected; ")


async def _approve(
    callback_id: CallbackId, given: bytes | None, decision: Decision, wait: timedelta
) -> ReceiptOut:
    async with operator_client() as client:
        result = given or await _fullest(client, callback_id, decision)
        return await send_answer(client, callback_id, Completed(result), wait=wait)


async def _reject(callback_id: CallbackId, failed: Failed, wait: timedelta) -> ReceiptOut:
    async with operator_client() as client:
        return await send_answer(client, callback_id, failed, wait=wait)


async def _fullest(client: GatewayClient, callback_id: CallbackId, decision: Decision) -> bytes:
    """Return the fullest approval that meets the result schema."""
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
        # In a container the user may have no name.
        return None


def _is_rejection(result: bytes) -> bool:
    given = json.loads(result)
    approved = given.get("approved") if isinstance(given, dict) else given
    return approved is False


def _json(**members: object) -> bytes:
    given = {name: value for name, value in members.items() if value is not None}
    return json.dumps(given, ensure_ascii=False).encode()
