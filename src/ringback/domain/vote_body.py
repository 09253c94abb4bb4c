"""Votes as JSON: what a program sends as the answer to a callback on which people decide."""

import json
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ringback.domain.errors import (
    Problem,
)
from ringback.domain.exact_json import members
from ringback.domain.people_errors import (
    WrongVoteError,
)
from ringback.domain.policy import LONGEST_REASON, Policy, RequireReason
from ringback.domain.vote import VoteRequest

_MEMBERS: Final = ("approved", "reason", "form", "digest", "ballot")

_FORM: Final = "#/$defs/form"

_VALUES: Final = frozenset({"const", "default", "enum", "examples"})
"""Keywords whose values are no schemas."""

_NAMED: Final = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties"}) | {
    "properties"
}
"""Keywords whose values are schemas by name."""


@dataclass(frozen=True, slots=True)
class VoteBody:
    """A decision of a sender.

    Attributes:
        approved: A yes or a no.
        reason: Why.
        form: The form as JSON, byte for byte; `None` without one.
        digest: The version of the subject that the voter saw.
        ballot: How many votes the voter had withdrawn.
    """

    approved: bool
    reason: str | None = field(default=None, repr=False)
    form: bytes | None = field(default=None, repr=False)
    digest: str | None = None
    ballot: int = 0


def read_decision(request: VoteRequest) -> VoteRequest:
    """Return a request whose body is a decision as `parse_vote` reads it.

    Raises:
        WrongVoteError: The body is something else.
    """
    sent = parse_vote(request.body)
    return replace(
        request,
        approved=sent.approved,
        reason=sent.reason,
        body=sent.form,
        digest=sent.digest,
        ballot=sent.ballot,
    )


def parse_vote(body: bytes | None) -> VoteBody:
    """Parse `{"approved": true, "reason": …, "form": …, "digest": …, "ballot": 0}`.

    Raises:
        WrongVoteError: It is something else; the problems say where.
    """
    try:
        parts = members(body or b"")
    except ValueError:
        msg = 'it is not a JSON object such as {"approved": true}'
        raise WrongVoteError([Problem("", msg)]) from None
    problems = [Problem(f"/{name}", "it is unknown") for name in parts if name not in _MEMBERS]
    plain = {name: json.loads(parts[name]) for name in _MEMBERS if name in parts}
    if not isinstance(plain.get("approved"), bool):
        problems.append(Problem("/approved", "it must be true or false"))
    problems += [
        Problem(f"/{name}", "it must be text")
        for name in ("reason", "digest")
        if not isinstance(plain.get(name), str | None)
    ]
    ballot = plain.get("ballot", 0)
    if type(ballot) is not int or ballot < 0:
        problems.append(Problem("/ballot", "it must be an integer of 0 or more"))
    if problems:
        raise WrongVoteError(problems)
    form = None if plain.get("form") is None else parts["form"]
    return VoteBody(plain["approved"], plain.get("reason"), form, plain.get("digest"), ballot)


def to_sent_schema(policy: Policy | None, schema: str | None) -> str | None:
    """Return the JSON Schema of what a program sends as the answer, as text.

    That is the schema of the result or, where people approve or reject, of a vote; then `schema` is
    that of the form.
    """
    if policy is None or not policy.is_decision:
        return schema
    required = ["approved"]
    if policy.require_reason is RequireReason.ALWAYS:
        required.append("reason")
    return _to_vote_schema(schema, required, additionalProperties=False)


def to_default_schema(policy: Policy | None, schema: str | None) -> str | None:
    """Return the JSON Schema of a default answer, as text: of a decision or of the result."""
    if policy is None or not policy.is_decision:
        return schema
    return _to_vote_schema(schema, ["approved"])


def _to_vote_schema(form: str | None, required: list[str], **more: object) -> str:
    vote: dict[str, Any] = {
        "type": "object",
        "properties": {
            "approved": {"type": "boolean"},
            "reason": {"type": ["string", "null"], "maxLength": LONGEST_REASON},
            "digest": {"type": ["string", "null"]},
            "ballot": {"type": "integer", "minimum": 0},
        },
        "required": required,
        **more,
    }
    if form is not None:
        vote["properties"]["form"] = {"anyOf": [{"$ref": _FORM}, {"type": "null"}]}
        vote["$defs"] = {"form": _move(json.loads(form))}
    return json.dumps(vote)


def _move(schema: Any) -> Any:
    """Return a schema whose references to itself lead to `_FORM`."""
    match schema:
        case {"$id": str()}:
            return schema
        case dict():
            return {name: _move_part(name, part) for name, part in schema.items()}
        case list():
            return [_move(part) for part in schema]
        case _:
            return schema


def _move_part(name: str, part: Any) -> Any:
    if name in _VALUES:
        return part
    if name in _NAMED and isinstance(part, dict):
        return {key: _move(value) for key, value in part.items()}
    if name == "$ref" and isinstance(part, str) and (part == "#" or part.startswith("#/")):
        return _FORM + part[1:]
    return _move(part)


def to_evidence(request: VoteRequest) -> bytes:
    """Return a vote that came too late, as JSON for the audit trail."""
    vote = {
        "by": request.voter.user,
        "proof": request.voter.proof.value,
        "approved": request.approved,
        "reason": request.reason,
    }
    return json.dumps(vote).encode()
