"""Escalation: ask more people after a while without a decision."""

from collections.abc import Sequence

from ringback.domain.assignment import Actor, Change, reassign
from ringback.domain.callback import Callback
from ringback.domain.errors import MalformedRequestError
from ringback.domain.policy import Proof, Voter
from ringback.domain.vote import Vote
from ringback.ports.votes import VoteStore

ESCALATION: str = "escalation"
"""The name of the one who reassigns, for the audit trail."""


async def escalate(votes: VoteStore, callback: Callback, number: int) -> str | None:
    """Let the people of an escalation decide as well; return why that is impossible.

    They may decide together with those who were asked before. Repeating it changes nothing.

    Raises:
        StoreUnavailableError: It could not be stored; retry.
    """
    added = callback.options.escalate[number].assignees

    def rule(current: Callback, cast: Sequence[Vote]) -> Change:
        policy = current.options.policy
        if policy is None or not policy.assignees:
            # Anybody may decide: naming people would forbid it to all others.
            return Change(current)
        actor = Actor(Voter(ESCALATION, proof=Proof.API_KEY), is_operator=True)
        return reassign(current, cast, [*policy.assignees, *added], actor=actor)

    try:
        await votes.change(callback.id, rule, by={"by": ESCALATION, "step": number + 1})
    except MalformedRequestError as exc:
        return str(exc)
    return None
