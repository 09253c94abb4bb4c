"""Create questions to people, and their votes, with defaults for the rest."""

from typing import Any

from ringback.domain.callback import Callback
from ringback.domain.ids import CallbackId
from ringback.domain.opening import find_or_create
from ringback.domain.policy import LINK_HOLDER, Policy, Proof, Voter
from ringback.domain.vote import Vote, VoteRequest, count_vote
from tests import factories

BY_LINK = Voter(LINK_HOLDER)


def question(policy: Policy | None = None, **options: Any) -> Callback:
    """Return an open callback on which people decide."""
    options = {"policy": policy or Policy(), "title": "Refund 42?", **options}
    return find_or_create(None, factories.request(**options), factories.NOW).callback


def person(user: str, *groups: str, proof: Proof = Proof.SIGNED_IN) -> Voter:
    return Voter(user, frozenset(groups), proof)


def ballot(to: CallbackId, by: str | Voter, *, approved: bool = True, **more: Any) -> VoteRequest:
    """Return a vote on its way into the store."""
    voter = person(by) if isinstance(by, str) else by
    return VoteRequest(to, factories.outcome_id(), voter, approved=approved, **more)


def votes_on(callback: Callback, *ballots: tuple[str, bool]) -> list[Vote]:
    """Return the votes of people, none of which decides."""
    votes: list[Vote] = []
    for user, approved in ballots:
        counted = count_vote(
            callback, votes, ballot(callback.id, user, approved=approved), now=factories.NOW
        )
        assert counted.outcome is None, f"the vote of {user} decides"
        votes.append(counted.vote)
    return votes
