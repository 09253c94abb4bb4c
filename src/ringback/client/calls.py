"""Answers and votes as the gateway's HTTP API accepts them."""

import json
from collections.abc import Mapping, Sequence
from typing import assert_never

from ringback.domain.outcome import Canceled, Completed, Failed, Outcome


def to_request(outcome: Outcome) -> tuple[str, bytes | None]:
    """Return the verb and the body that send `outcome`.

    The body contains a result and details byte for byte: encoding them again would change numbers
    such as `1.10`.
    """
    match outcome:
        case Completed(result):
            return "complete", result
        case Canceled(details):
            return "cancel", details
        case Failed():
            return "fail", _failure(outcome)
        case _:
            assert_never(outcome)


def to_answer(outcome: Outcome) -> bytes:
    """Return `outcome` as a `DefaultAnswer` in JSON."""
    verb, body = to_request(outcome)
    given = {} if body is None else {"body": body}
    return to_object({"verb": to_bytes(verb), **given})


def to_bytes(value: object) -> bytes:
    """Return `value` as JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def to_object(parts: Mapping[str, bytes]) -> bytes:
    """Return a JSON object with members that are encoded already."""
    members = (to_bytes(name) + b":" + part for name, part in parts.items())
    return b"{" + b",".join(members) + b"}"


def _failure(failed: Failed) -> bytes:
    delay = failed.next_retry_delay
    failure = {
        "message": failed.message,
        "type": failed.type or None,
        "non_retryable": failed.non_retryable,
        "next_retry_delay": None if delay is None else delay.total_seconds(),
    }
    parts = {name: to_bytes(value) for name, value in failure.items()}
    if failed.details is not None:
        parts["details"] = failed.details
    return to_object(parts)


def to_vote(
    *,
    by: str,
    approved: bool,
    groups: Sequence[str],
    reason: str | None,
    digest: str | None,
    ballot: int,
    body: tuple[str, bytes] | None,
) -> bytes:
    """Return a vote, a `VoteIn` as JSON.

    Args:
        by: The user who votes.
        approved: A yes or a no.
        groups: The groups of the user.
        reason: Why.
        digest: The version that the user saw; `None` if they saw none.
        ballot: How many votes the user has withdrawn.
        body: `form` or `result`, and its value as JSON.
    """
    plain = {
        "by": by,
        "approved": approved,
        "groups": list(groups),
        "reason": reason,
        "digest": digest,
        "ballot": ballot,
    }
    parts = {name: to_bytes(value) for name, value in plain.items()}
    return to_object(parts if body is None else {**parts, body[0]: body[1]})
