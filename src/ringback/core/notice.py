"""Notices: what a message shows of the current state of a question."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from ringback.domain.assignment import Actor, Change, reassign
from ringback.domain.callback import Callback, State
from ringback.domain.ending import describe_end
from ringback.domain.errors import MalformedRequestError
from ringback.domain.notification import Notice, Notification, Purpose, to_text
from ringback.domain.person import to_name
from ringback.domain.policy import Policy, Proof, Voter, to_person
from ringback.domain.vote import Vote, tally
from ringback.ports.votes import VoteStore

_PROOFS = {
    Proof.LINK: "by link",
    Proof.API_KEY: "by API key",
    Proof.CHAT: "in chat",
    Proof.SIGNED_IN: "signed in",
}


def write_notice(callback: Callback, votes: Sequence[Vote], url: str) -> Notice:
    """Return what a message about `callback` shows now; people decide at `url`."""
    options, policy, end = callback.options, callback.options.policy, describe_end(callback)
    is_decision = policy is not None and policy.is_decision and callback.state is State.OPEN
    has_form = callback.schema_id is not None and (policy is None or policy.require_form)
    return Notice(
        callback_id=callback.id,
        title=options.title or f"{callback.activity_type} in {callback.workflow_type}",
        description=options.description,
        details=[(name, to_text(value)) for name, value in options.details.items()],
        asked=[] if policy is None else [to_name(one) for one in policy.assignees],
        progress=list(_progress(callback, policy, votes)),
        deadline_at=callback.deadline_at,
        subject=callback.subject.digest,
        url=url,
        # A button cannot fill in a form that a yes needs.
        can_approve=is_decision and not has_form,
        can_reject=is_decision,
        ended=None if end is None else end.sentence,
    )


def choose_purpose(
    claimed: Notification,
    callback: Callback,
    notice: Notice,
    *,
    now: datetime,
    is_wanted: bool,
    can_update: bool,
) -> Purpose | None:
    """Return why a message is sent now; `None` if none is."""
    if claimed.sent_at is None:
        return Purpose.ASK if is_wanted else None
    if is_wanted and _is_reminder_due(claimed, callback, now):
        return Purpose.REMIND
    if can_update:
        return Purpose.UPDATE if claimed.shown != notice.digest else None
    return Purpose.CHANGE if is_wanted and claimed.subject != notice.subject else None


def message_key(claimed: Notification, purpose: Purpose, notice: Notice) -> str:
    """Return a name of the message that is the same at every try."""
    match purpose:
        case Purpose.CHANGE:
            which = notice.subject
        case Purpose.REMIND if claimed.reminded_at is not None:
            which = f"{claimed.reminded_at.timestamp():.0f}"
        case _:
            which = purpose.value
    return f"{claimed.id}.{which}"


def _is_reminder_due(claimed: Notification, callback: Callback, now: datetime) -> bool:
    every, asked_at = callback.options.remind_every, claimed.reminded_at
    return every is not None and asked_at is not None and now >= asked_at + every


def _progress(callback: Callback, policy: Policy | None, votes: Sequence[Vote]) -> Iterator[str]:
    if policy is None:
        return
    if policy.approvals_needed > 1:
        count = tally(policy, votes).approvals
        yield f"{count} of {policy.approvals_needed} approvals"
    for vote in votes:
        yield _describe(policy, vote)
    if callback.claimant is not None and callback.state is State.OPEN:
        yield f"{callback.claimant} has claimed this"


def _describe(policy: Policy, vote: Vote) -> str:
    verb = "approves" if vote.approved else "rejects"
    reason = f": {vote.reason}" if vote.reason else ""
    said = verb if policy.is_decision else "answered"
    return f"{to_person(vote.user)} {said} ({_PROOFS[vote.proof]}){reason}"


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
