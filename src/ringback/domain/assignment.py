"""Changes to an open question: claim, reassign, and change the subject."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.callback import Callback
from ringback.domain.errors import (
    MalformedRequestError,
    Problem,
)
from ringback.domain.options import check_option
from ringback.domain.people_errors import (
    ClaimedError,
    NotAssignedError,
)
from ringback.domain.policy import (
    Policy,
    Voter,
    is_among,
    unique,
)
from ringback.domain.policy_checks import (
    check_policy,
)
from ringback.domain.subject import changed_parts
from ringback.domain.vote import Vote, check_voter, tally


@dataclass(frozen=True, slots=True)
class Actor:
    """The person or operator who changes a question.

    Attributes:
        voter: The person, if it is one who may be asked.
        is_operator: Whether an operator does it, to whom the people rules do not apply.
    """

    voter: Voter
    is_operator: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an open callback, with the votes that it removes.

    Attributes:
        callback: The callback afterwards.
        kind: The entry that records it; `None` if nothing changes.
        facts: The facts of that entry, without who did it.
        removed: The votes that no longer count.
    """

    callback: Callback
    kind: AuditKind | None = None
    facts: Mapping[str, object] | None = field(default=None, repr=False)
    removed: tuple[Vote, ...] = ()


def claim(callback: Callback, actor: Actor) -> Change:
    """Claim a callback: nobody else can decide until it is released.

    Raises:
        MalformedRequestError: It has no people rules, or several people must approve.
        NotAssignedError: This person may not decide.
        WrongVoteError: The name is invalid.
        ClaimedError: Another person has claimed it.
    """
    policy = _policy_of(callback)
    if policy.approvals_needed != 1:
        msg = "several people must approve, so nobody can claim it alone"
        raise MalformedRequestError([Problem("", msg)])
    check_voter(actor.voter)
    if (why := policy.why_not(actor.voter)) is not None:
        raise NotAssignedError(why)
    user = actor.voter.user
    if callback.claimant is None:
        return Change(replace(callback, claimant=user), AuditKind.CLAIMED, {})
    if not is_among(user, [callback.claimant]):
        raise ClaimedError(callback.claimant)
    return Change(callback)


def release(callback: Callback, actor: Actor) -> Change:
    """Release a claimed callback.

    Raises:
        ClaimedError: Another person has claimed it, and an operator must release it.
    """
    if callback.claimant is None:
        return Change(callback)
    _check_claimant(callback, actor)
    facts = {"claimant": callback.claimant}
    return Change(replace(callback, claimant=None), AuditKind.RELEASED, facts)


def reassign(
    callback: Callback, votes: Sequence[Vote], assignees: Sequence[str], *, actor: Actor
) -> Change:
    """Ask other people instead, and release it; votes of people who may no longer decide go.

    Raises:
        MalformedRequestError: It has no people rules; the assignees are invalid, or could not
            decide; or the remaining votes would decide without a vote.
        NotAssignedError: This person may not decide it, so they cannot reassign it.
        ClaimedError: Another person has claimed it: that would release it.
    """
    policy = _policy_of(callback)
    if not actor.is_operator and (why := policy.why_not(actor.voter)) is not None:
        raise NotAssignedError(why)
    _check_claimant(callback, actor)
    if not assignees:
        msg = "name somebody: without assignees, anybody could decide"
        raise MalformedRequestError([Problem("/assignees", msg)])
    changed = replace(policy, assignees=tuple(unique(assignees)))
    try:
        check_policy(changed.to_plain())
    except ValueError as exc:
        raise MalformedRequestError([Problem("/assignees", str(exc))]) from None
    if changed.assignees == policy.assignees:
        return Change(callback)
    removed = tuple(vote for vote in votes if changed.why_not(to_voter(vote)) is not None)
    left = [vote for vote in votes if vote not in removed]
    if tally(changed, left).is_approved is not None:
        msg = "with these assignees the votes so far would decide"
        raise MalformedRequestError([Problem("/assignees", msg)])
    options = replace(callback.options, policy=changed)
    users = [vote.user for vote in removed]
    facts = {
        "from": list(policy.assignees),
        "to": list(changed.assignees),
        "removed_votes": users,
    }
    ballots = callback.next_ballots(users)
    return Change(
        # Its claimant may be none of them.
        replace(callback, options=options, claimant=None, ballots=ballots),
        AuditKind.REASSIGNED,
        facts,
        removed,
    )


def change_details(
    callback: Callback, votes: Sequence[Vote], details: Mapping[str, object]
) -> Change:
    """Add to the details of the subject, or replace some; votes on the old version are removed.

    Raises:
        MalformedRequestError: The details are invalid.
    """
    merged = {**callback.options.details, **details}
    try:
        check_option("details", merged)
    except (ValueError, TypeError) as exc:
        raise MalformedRequestError([Problem("/details", str(exc))]) from None
    changed = replace(callback, options=replace(callback.options, details=merged))
    parts = changed_parts(callback.subject, changed.subject)
    if not parts:
        return Change(callback)
    facts = {
        "changed": parts,
        "from": callback.subject.digest,
        "to": changed.subject.digest,
        "removed_votes": [vote.user for vote in votes],
    }
    return Change(changed, AuditKind.SUBJECT_CHANGED, facts, tuple(votes))


def changed_since(entries: Iterable[AuditEntry], digest: str | None) -> list[str]:
    """Return the parts of the subject that have changed since the version `digest`.

    Empty if the callback never had that version.
    """
    changes = [entry.facts for entry in entries if entry.kind is AuditKind.SUBJECT_CHANGED]
    left_at = [number for number, facts in enumerate(changes) if facts["from"] == digest]
    since = changes[left_at[-1] :] if left_at else []
    return sorted({name for facts in since for name in _names(facts["changed"])})


def _names(changed: object) -> list[str]:
    return [str(name) for name in changed] if isinstance(changed, list) else []


def to_voter(vote: Vote) -> Voter:
    """Return who gave `vote`."""
    return Voter(vote.user, vote.groups, vote.proof, vote.via)


def _check_claimant(callback: Callback, actor: Actor) -> None:
    claimant = callback.claimant
    if not (claimant is None or actor.is_operator or is_among(actor.voter.user, [claimant])):
        raise ClaimedError(claimant)


def _policy_of(callback: Callback) -> Policy:
    policy = callback.options.policy
    if policy is None:
        msg = "this callback was opened without people rules"
        raise MalformedRequestError([Problem("", msg)])
    return policy
