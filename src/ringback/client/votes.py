"""Votes as the gateway's HTTP API accepts them."""

from collections.abc import Sequence

from ringback.client.answers import to_bytes, to_object


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
