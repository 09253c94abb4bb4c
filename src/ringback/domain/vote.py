"""Votes: what people say, when that decides, and the outcome of their decision."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ringback.domain.callback import Callback
from ringback.domain.durations import format_instant
from ringback.domain.encrypted_body import surround
from ringback.domain.errors import (
    Problem,
)
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.outcome import Completed, Failed, is_same_answer, read_seal
from ringback.domain.people_errors import (
    ClaimedError,
    NotAssignedError,
    SubjectChangedError,
    VotedDifferentlyError,
    VoteWithdrawnError,
    WrongVoteError,
)
from ringback.domain.policy import (
    LINK_HOLDER,
    LONGEST_REASON,
    OnReject,
    Policy,
    Proof,
    Voter,
    is_among,
)
from ringback.domain.text_checks import LONGEST_NAME, is_name, is_user_name

APPROVAL_DENIED: Final = "ApprovalDenied"
"""The failure type of an activity whose approval was rejected, with `on_reject="fail"`."""


@dataclass(frozen=True, slots=True)
class Vote:
    """What one person said.

    Attributes:
        user: The person; one person has one vote.
        proof: How it was proven who they are.
        groups: The person's groups at that time.
        via: What proved it: the id of the API key, or the chat account.
        approved: A yes or a no; always a yes where people give the result itself.
        reason: Why, in the person's words.
        body: JSON: the form beside a decision, or the result itself.
        digest: The version of the subject that the person saw.
        at: When it was committed.
    """

    user: str
    groups: frozenset[str]
    proof: Proof
    via: str | None
    approved: bool
    reason: str | None = field(repr=False)
    body: bytes | None = field(repr=False)
    digest: str
    at: datetime


@dataclass(frozen=True, slots=True)
class VoteRequest:
    """A person's vote on its way into the store.

    Attributes:
        callback_id: The callback.
        outcome_id: The outcome's id if this vote decides.
        voter: The person who votes.
        approved: A yes or a no; must be a yes where people give the result itself.
        reason: Why.
        body: JSON: the form beside a decision, or the result itself.
        digest: The version of the subject that the voter saw; `None` if they saw none.
        link_serial: The serial of the voter's link, if they came by one.
        ballot: What the voter knew as `Callback.ballot_of`; a late retry has an old number.
    """

    callback_id: CallbackId
    outcome_id: OutcomeId
    voter: Voter
    approved: bool = True
    reason: str | None = field(default=None, repr=False)
    body: bytes | None = field(default=None, repr=False)
    digest: str | None = None
    link_serial: int | None = None
    ballot: int = 0


@dataclass(frozen=True, slots=True)
class CountedVote:
    """The effect of a vote on an open callback.

    Attributes:
        vote: The vote.
        is_duplicate: Whether it was counted before.
        outcome: The outcome of the callback, if the vote decides.
    """

    vote: Vote
    is_duplicate: bool = False
    outcome: Completed | Failed | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """The votes so far.

    Attributes:
        approvals: How many people approve.
        rejections: How many reject.
        is_approved: The decision; `None` until there is one.
    """

    approvals: int
    rejections: int
    is_approved: bool | None


def check_vote(policy: Policy, request: VoteRequest) -> None:
    """Check what can be said of a vote without the votes of others.

    Raises:
        NotAssignedError: The policy does not let this person decide.
        WrongVoteError: The reason is missing or too long; the name is invalid; or it is a no where
            people give the result itself.
    """
    check_voter(request.voter)
    if (why := policy.why_not(request.voter)) is not None:
        raise NotAssignedError(why)
    if not policy.is_decision and not request.approved:
        msg = "this callback asks for a result, so there is nothing to reject"
        raise WrongVoteError([Problem("/approved", msg)])
    wrong = why_wrong_reason(policy, request.reason or "", approved=request.approved)
    if wrong is not None:
        raise WrongVoteError([Problem("/reason", wrong)])


def why_wrong_reason(policy: Policy, reason: str, *, approved: bool) -> str | None:
    """Return what is wrong with the reason of a vote; `None` if nothing is."""
    if not reason.strip() and policy.needs_reason(approved=approved):
        return "a reason is required"
    if len(reason) > LONGEST_REASON:
        return f"a reason has at most {LONGEST_REASON} characters"
    if "\x00" in reason or any("\ud800" <= character <= "\udfff" for character in reason):
        return "it contains a NUL or half of a character"
    return None


def check_voter(voter: Voter) -> None:
    """Check the name of a person who votes or claims.

    Raises:
        WrongVoteError: It cannot be the name of a person, or it stands for somebody else.
    """
    is_program = voter.via is not None and voter.user == f"key:{voter.via}"
    if not (is_user_name(voter.user) or (is_program and is_name(voter.user))):
        msg = f"it is not a name of 1 to {LONGEST_NAME} characters, such as ada@example.org"
        raise WrongVoteError([Problem("/by", msg)])
    if voter.proof is not Proof.LINK and is_among(voter.user, [LINK_HOLDER]):
        msg = "this name stands for the holders of links"
        raise WrongVoteError([Problem("/by", msg)])


def count_vote(
    callback: Callback, votes: Sequence[Vote], request: VoteRequest, *, now: datetime
) -> CountedVote:
    """Return the effect of a vote on an open callback with a policy and these `votes`.

    Raises:
        NotAssignedError: The policy does not let this person decide, at least no longer.
        ClaimedError: Another person has claimed the callback.
        SubjectChangedError: The subject differs from the one that the voter saw.
        VotedDifferentlyError: This person has voted differently.
        VoteWithdrawnError: This vote was withdrawn, or removed by a reassignment.
        WrongVoteError: `check_vote` rejects it, or its ballot is unknown.
    """
    policy = callback.options.policy
    assert policy is not None, "only callbacks with a policy have votes"
    check_vote(policy, request)
    digest = callback.subject.digest
    if request.digest is not None and request.digest != digest:
        raise SubjectChangedError
    earlier = find_vote(votes, request.voter.user)
    if earlier is not None:
        if not is_same_vote(earlier, request):
            raise VotedDifferentlyError(earlier.at)
        return CountedVote(earlier, is_duplicate=True)
    _check_ballot(request.ballot, callback.ballot_of(request.voter.user))
    if callback.claimant is not None and not is_among(request.voter.user, [callback.claimant]):
        raise ClaimedError(callback.claimant)
    vote = _to_vote(request, digest, now)
    return CountedVote(vote, outcome=decide(policy, [*votes, vote]))


def _check_ballot(sent: int, ballot: int) -> None:
    if sent < ballot:
        raise VoteWithdrawnError(ballot)
    if sent > ballot:
        raise WrongVoteError([Problem("/ballot", f"it must be {ballot}")])


def find_vote(votes: Sequence[Vote], user: str) -> Vote | None:
    """Return the vote of `user`, if there is one."""
    return next((vote for vote in votes if is_among(user, [vote.user])), None)


def is_same_vote(vote: Vote, request: VoteRequest) -> bool:
    """Return whether a request repeats `vote`.

    JSON is compared by value, and encrypted bodies by their seals.
    """
    if (vote.approved, vote.reason or "") != (request.approved, request.reason or ""):
        return False
    if vote.body is not None and (seal := read_seal(vote.body)) is not None:
        is_sealed_alike = request.body is not None and seal == read_seal(request.body)
        return vote.body == request.body or (bool(seal) and is_sealed_alike)
    return is_same_answer(Completed(vote.body), Completed(request.body))


def tally(policy: Policy, votes: Sequence[Vote]) -> Tally:
    """Count the votes."""
    approvals = sum(vote.approved for vote in votes)
    rejections = len(votes) - approvals
    is_approved: bool | None = None
    if approvals >= policy.approvals_needed:
        is_approved = True
    elif rejections >= policy.rejections_needed:
        is_approved = False
    return Tally(approvals, rejections, is_approved)


def decide(policy: Policy, votes: Sequence[Vote]) -> Completed | Failed | None:
    """Return the outcome of these votes, the last of which decides; `None` if they do not."""
    is_approved = tally(policy, votes).is_approved
    return None if is_approved is None else to_outcome(policy, votes, approved=is_approved)


def to_outcome(policy: Policy, votes: Sequence[Vote], *, approved: bool) -> Completed | Failed:
    """Return the outcome if the last of these votes decides."""
    last = votes[-1]
    if not policy.is_decision:
        return Completed(last.body)
    decision = _to_decision(votes, approved=approved)
    if approved or policy.on_reject is OnReject.RESULT:
        return Completed(decision)
    message = "approval denied" + (f": {last.reason}" if last.reason else "")
    details = surround(decision, b"[", b"]")
    return Failed(message, type=APPROVAL_DENIED, non_retryable=True, details=details)


def _to_decision(votes: Sequence[Vote], *, approved: bool) -> bytes:
    """Return a decision as JSON, in which the form is byte for byte what the voter sent.

    It is stored: an encrypted form stays encrypted in it.
    """
    last = votes[-1]
    forms = [vote.body for vote in votes if vote.approved is approved and vote.body is not None]
    decision: dict[str, Any] = {
        "approved": approved,
        "reason": last.reason,
        "by": last.user,
        "votes": [_to_plain(vote) for vote in votes],
        "is_default": False,
    }
    start = json.dumps(decision, ensure_ascii=False).encode().removesuffix(b"}")
    return surround(forms[-1] if forms else b"null", start + b', "form": ', b"}")


def _to_plain(vote: Vote) -> dict[str, Any]:
    return {
        "by": vote.user,
        "approved": vote.approved,
        "reason": vote.reason,
        "proof": vote.proof.value,
        "at": format_instant(vote.at),
    }


def _to_vote(request: VoteRequest, digest: str, now: datetime) -> Vote:
    return Vote(
        user=request.voter.user,
        groups=request.voter.groups,
        proof=request.voter.proof,
        via=request.voter.via,
        approved=request.approved,
        reason=request.reason or None,
        body=request.body,
        digest=digest,
        at=now,
    )
