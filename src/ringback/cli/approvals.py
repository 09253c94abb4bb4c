"""Commands by which a person approves or rejects."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, Final

import typer

from ringback.app.program import run
from ringback.app.system import find_os_user
from ringback.cli.answer import say_receipt
from ringback.cli.gateway import operator_client, send_and_wait, send_answer
from ringback.cli.params import (
    AliasOption,
    AsJson,
    OptionalCallback,
    Result,
    Wait,
    check_one_stdin,
    one_callback,
    to_json,
)
from ringback.cli.people import Groups, deciding_as
from ringback.client.calls import to_vote
from ringback.client.gateway_client import GatewayClient
from ringback.domain.alias import Alias
from ringback.domain.errors import MalformedAnswerError, Problem, WrongResultError
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Completed, Failed
from ringback.domain.text_checks import to_key
from ringback.domain.vote import APPROVAL_DENIED
from ringback.schemas.responses import ReceiptOut, ResultProblemOut

Reason = Annotated[str | None, typer.Option(help="Why, in a sentence. The workflow gets it.")]
By = Annotated[
    str | None,
    typer.Option(
        help="Name recorded as the approver (default: your OS user). It is not authenticated."
    ),
]
FormOption = Annotated[
    str | None,
    typer.Option(
        metavar="JSON",
        help="The form of the decision; @FILE reads a file, - reads standard input.",
    ),
]
Digest = Annotated[
    str | None,
    typer.Option(
        metavar="DIGEST",
        help="The version that you saw, from ringback show; a vote on another one is refused.",
    ),
]


@dataclass(frozen=True, slots=True)
class DecisionToSend:
    """What a person decided.

    Attributes:
        approved: A yes or a no.
        by: The value of `--by`.
        user: The OS user, if `--by` was not given.
        groups: The values of `--group`.
        reason: The value of `--reason`.
        form: The value of `--form`, as JSON.
        result: The value of `--result`, as JSON.
        digest: The value of `--digest`.
    """

    approved: bool
    by: str | None = None
    user: str | None = None
    groups: tuple[str, ...] = ()
    reason: str | None = None
    form: bytes | None = field(default=None, repr=False)
    result: bytes | None = field(default=None, repr=False)
    digest: str | None = None

    @property
    def who(self) -> str | None:
        """The name that is recorded as the approver."""
        return self.by or self.user

    def results(self) -> Iterator[bytes]:
        """Yield the decision in each shape that an activity may return, the fullest one first.

        Every shape contains what was given as an option, so that it is refused rather than lost.
        """
        yield _json(approved=self.approved, by=self.who, reason=self.reason)
        if self.by is None:
            yield _json(approved=self.approved, reason=self.reason)
            if self.reason is None:
                yield json.dumps(self.approved).encode()

    def denial(self) -> Failed:
        """Return the non-retryable failure, so that the activity does not ask again."""
        message = "approval denied" + (f": {self.reason}" if self.reason else "")
        details = b"[" + _json(approved=False, by=self.who, reason=self.reason) + b"]"
        return Failed(message, type=APPROVAL_DENIED, non_retryable=True, details=details)

    def to_vote(self, *, gives_result: bool, ballots: Mapping[str, int]) -> bytes:
        """Return the decision as a vote, a `VoteIn` as JSON.

        Args:
            gives_result: Whether people give the result itself.
            ballots: How many votes each user has withdrawn.

        Raises:
            typer.BadParameter: The approver has no name, or an option does not fit.
        """
        if self.who is None:
            msg = "name who decides with --by: your OS user has no name"
            raise typer.BadParameter(msg)
        other, wanted = ("form", "result") if gives_result else ("result", "form")
        if getattr(self, other) is not None:
            msg = f"this callback asks for a {wanted}; give --{wanted} instead of --{other}"
            raise typer.BadParameter(msg)
        if gives_result and self.approved and self.result is None:
            msg = "this callback asks people for a result; give it with --result"
            raise typer.BadParameter(msg)
        body: bytes | None = getattr(self, wanted)
        return to_vote(
            by=self.who,
            approved=self.approved,
            groups=self.groups,
            reason=self.reason,
            digest=self.digest,
            ballot=ballots.get(to_key(self.who), 0),
            body=None if body is None else (wanted, body),
        )


def approve(
    callback_id: OptionalCallback = None,
    alias: AliasOption = None,
    reason: Reason = None,
    by: By = None,
    group: Groups = None,
    form: FormOption = None,
    result: Result = None,
    digest: Digest = None,
    wait: Wait = 0,
    as_json: AsJson = False,
) -> None:
    """Approve: a vote where people are asked by rules; otherwise the activity completes.

    The result is {"approved": true, "by": …, "reason": …}, or as much of it as the activity's
    result type has: without the OS user as "by", or true alone. --result replaces it. Where named
    people are asked for a result instead of a yes or no, --result is that result.
    """
    check_one_stdin(form, result)
    given = to_json(result)
    if given is not None and _is_rejection(given):
        msg = 'the result says "approved": false; to reject, run: ringback reject'
        raise typer.BadParameter(msg)
    decision = _decision(
        by, group, reason, approved=True, form=to_json(form), result=given, digest=digest
    )
    receipt = run(_decide(one_callback(callback_id, alias), decision, wait=timedelta(seconds=wait)))
    say_receipt(receipt, as_json=as_json, prefix="approved; ")


def reject(
    callback_id: OptionalCallback = None,
    alias: AliasOption = None,
    reason: Reason = None,
    by: By = None,
    group: Groups = None,
    form: FormOption = None,
    digest: Digest = None,
    wait: Wait = 0,
    as_json: AsJson = False,
) -> None:
    """Reject: a vote where people are asked by rules; otherwise the activity ends with a no.

    The result is {"approved": false, "by": …, "reason": …}, or as much of it as the activity's
    result type has. Where it has no place for a no, or any result is accepted, the activity fails
    with the type ApprovalDenied and is not retried.
    """
    decision = _decision(by, group, reason, approved=False, form=to_json(form), digest=digest)
    receipt = run(_decide(one_callback(callback_id, alias), decision, wait=timedelta(seconds=wait)))
    say_receipt(receipt, as_json=as_json, prefix="rejected; ")


async def _decide(
    named: CallbackId | Alias, decision: DecisionToSend, *, wait: timedelta
) -> ReceiptOut:
    async with operator_client() as client:
        callback = await client.show(named)
        callback_id = CallbackId(callback.id)
        if callback.policy is not None:
            vote = decision.to_vote(
                gives_result=not callback.policy["is_decision"], ballots=callback.ballots
            )
            with deciding_as(decision.who, decision.groups):
                return await send_and_wait(
                    lambda part: client.vote(callback_id, vote, wait=part), wait
                )
        outcome = await _to_outcome(client, callback_id, decision, callback.result_schema)
        return await send_answer(client, callback_id, outcome, wait=wait)


async def _to_outcome(
    client: GatewayClient, callback_id: CallbackId, decision: DecisionToSend, schema: object
) -> Completed | Failed:
    _check_options(decision)
    if decision.result is not None:
        return Completed(decision.result)
    if not decision.approved and not has_place_for_no(schema):
        # The workflow may take every result for a yes.
        return decision.denial()
    wrong: list[list[ResultProblemOut]] = []
    for result in decision.results():
        problems = await client.check(callback_id, result)
        if not problems:
            return Completed(result)
        wrong.append(problems)
    said = WrongResultError([Problem(one.pointer, one.detail) for one in wrong[0]])
    how = "--result" if decision.approved else f"ringback complete {callback_id} RESULT"
    msg = f"{said}; give the whole result with {how}"
    raise MalformedAnswerError(msg)


def _check_options(decision: DecisionToSend) -> None:
    if decision.result is not None and (decision.reason is not None or decision.by is not None):
        msg = "--result is the whole result; write the approver and the reason in it"
        raise typer.BadParameter(msg)
    named = {"--form": decision.form, "--group": decision.groups, "--digest": decision.digest}
    for name, value in named.items():
        if value:
            msg = f"{name} only works where people are asked by rules, and this callback has none"
            raise typer.BadParameter(msg)


def _decision(
    by: str | None, groups: list[str] | None, reason: str | None, *, approved: bool, **more: Any
) -> DecisionToSend:
    user = None if by else find_os_user()
    return DecisionToSend(approved, by or None, user, tuple(groups or ()), reason or None, **more)


def _is_rejection(result: bytes) -> bool:
    given = json.loads(result)
    approved = given.get("approved") if isinstance(given, dict) else given
    return approved is False


def _json(**members: object) -> bytes:
    given = {name: value for name, value in members.items() if value is not None}
    return json.dumps(given, ensure_ascii=False).encode()


_CHOICES: Final = ("anyOf", "oneOf", "allOf")


def has_place_for_no(schema: object) -> bool:
    """Return whether a result that meets the schema can say no: by `approved`, or by `false`."""
    return any(map(_says_no, _parts(schema, schema, set())))


def _says_no(part: dict[str, Any]) -> bool:
    kinds = part.get("type")
    is_boolean = "boolean" in kinds if isinstance(kinds, list) else kinds == "boolean"
    properties = part.get("properties")
    return is_boolean or (isinstance(properties, dict) and "approved" in properties)


def _parts(schema: object, root: object, seen: set[str]) -> Iterator[dict[str, Any]]:
    """Yield the schema, and all that it refers to or chooses from."""
    if not isinstance(schema, dict):
        return
    yield schema
    for choice in _CHOICES:
        for part in schema.get(choice, ()):
            yield from _parts(part, root, seen)
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference not in seen:
        seen.add(reference)
        yield from _parts(_resolve(reference, root), root, seen)


def _resolve(reference: str, root: object) -> object:
    """Return the part that a reference within the schema leads to; `None` for another one."""
    found = root if reference.startswith("#") else None
    for name in reference.lstrip("#").split("/")[1:]:
        found = found.get(name) if isinstance(found, dict) else None
    return found
