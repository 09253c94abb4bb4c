"""Plain words for people: times, how a question stands, and what happened to it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.person import to_name
from ringback.domain.policy import MAJORITY, Policy, Proof, to_person
from ringback.domain.vote import Vote, tally

_UNITS: Final = (("day", 86400), ("h", 3600), ("min", 60))

PROOFS: Final[dict[Proof, str]] = {
    Proof.LINK: "not proven: a holder of a link",
    Proof.API_KEY: "named by a program with an API key",
    Proof.CHAT: "verified by the chat platform",
    Proof.SIGNED_IN: "signed in",
}
"""How it was proven who voted."""


ABOUT_PEOPLE: Final = frozenset({
    *(AuditKind.VOTED, AuditKind.VOTE_WITHDRAWN),
    *(AuditKind.CLAIMED, AuditKind.RELEASED, AuditKind.REASSIGNED, AuditKind.NOTIFIED),
    *(AuditKind.NOTIFICATION_RETRYING, AuditKind.NOTIFICATION_FAILED),
})
"""Events that name people, and what they said."""


def to_moment(at: datetime) -> str:
    """Return an instant in UTC, such as `5 March 2026, 14:05 UTC`."""
    at = at.astimezone(UTC)
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def to_distance(at: datetime, now: datetime) -> str:
    """Return how far away an instant is: `in 23 h`, `5 min ago`."""
    away = at - now
    text = _to_length(abs(away))
    return f"in {text}" if away > timedelta(0) else f"{text} ago"


def _to_length(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    for name, size in _UNITS:
        if seconds >= size:
            count = seconds // size
            return _count(count, name) if name == "day" else f"{count} {name}"
    return "less than a minute"


def describe_rules(policy: Policy) -> str:
    """Return how many people must agree, in a sentence; empty if the first answer decides."""
    if not policy.is_decision or policy.approvals_needed == 1:
        return ""
    number = policy.approvals_needed
    whole = " (the majority)" if policy.approvals == MAJORITY else ""
    enough = policy.rejections_needed
    no = f"{_count(enough, 'rejection')} {'is' if enough == 1 else 'are'} enough to reject."
    return f"{number} people must approve{whole}. {no}"


def describe_tally(policy: Policy, votes: Sequence[Vote]) -> str:
    """Return the votes so far, such as `1 of 2 approvals`; empty where the first decides."""
    if not policy.is_decision or policy.approvals_needed == 1:
        return ""
    counted = tally(policy, votes)
    text = f"{counted.approvals} of {policy.approvals_needed} approvals"
    return text + (f", {_count(counted.rejections, 'rejection')}" if counted.rejections else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def describe_entry(entry: AuditEntry) -> str | None:
    """Return what happened, in a sentence; `None` if people need not know."""
    describe = _ENTRIES.get(entry.kind)
    return None if describe is None else describe(entry.facts)


def _voted(facts: Mapping[str, Any]) -> str:
    said = "approved" if facts.get("approved") else "rejected"
    reason = f": {facts['reason']}" if facts.get("reason") else ""
    return f"{to_person(str(facts['user']))} {said}{reason} ({facts['proof']})"


def _names(facts: Mapping[str, Any], name: str) -> str:
    return ", ".join(to_name(str(one)) for one in facts.get(name) or ()) or "anybody"


def _notified(facts: Mapping[str, Any]) -> str:
    return f"{_recipient(facts)} was notified by {facts['channel']}"


def _not_notified(facts: Mapping[str, Any]) -> str:
    # The reason may name hosts; `ringback show` has it.
    return f"{_recipient(facts)} could not be notified by {facts['channel']}"


def _recipient(facts: Mapping[str, Any]) -> str:
    recipient = str(facts["recipient"])
    return to_name(recipient) or recipient or "Somebody"


_ENTRIES: Final[dict[AuditKind, Callable[[Mapping[str, Any]], str]]] = {
    AuditKind.OPENED: lambda _: "The question was opened",
    AuditKind.EXTENDED: lambda _: "The deadline was extended",
    AuditKind.VOTED: _voted,
    AuditKind.VOTE_WITHDRAWN: lambda facts: f"{to_person(str(facts['user']))} withdrew their vote",
    AuditKind.CLAIMED: lambda facts: f"{facts['by']} claimed it",
    AuditKind.RELEASED: lambda facts: f"{facts['by']} released it",
    AuditKind.REASSIGNED: lambda facts: f"{facts['by']} now asks {_names(facts, 'to')}",
    AuditKind.SUBJECT_CHANGED: lambda facts: f"The question changed: {', '.join(facts['changed'])}",
    AuditKind.NOTIFIED: _notified,
    AuditKind.NOTIFICATION_RETRYING: _not_notified,
    AuditKind.NOTIFICATION_FAILED: _not_notified,
    AuditKind.POLL_REQUESTED: lambda _: "A worker was started to ask the service",
    AuditKind.POLLED: lambda facts: f"A worker asked the service: {facts['found']}",
    AuditKind.POLLING_STOPPED: lambda _: "The service is asked no more",
    AuditKind.CANCEL_REQUESTED: lambda _: "The workflow asked to cancel it",
    AuditKind.ACCEPTED: lambda facts: (
        "Nobody decided in time, so the default was accepted"
        if facts.get("by") == "deadline"
        else "The answer was accepted"
    ),
    AuditKind.ANSWERED_DIFFERENTLY: lambda _: "Another answer came too late",
    AuditKind.APPLIED: lambda _: "The workflow has the answer",
    AuditKind.SUPERSEDED: lambda _: "The activity had ended before the answer",
    AuditKind.PARKED: lambda _: "The answer could not be delivered",
    AuditKind.GIVEN_UP: lambda facts: f"{facts.get('name', 'An operator')} gave the answer up",
    AuditKind.EXPIRED: lambda facts: f"No answer is needed any more: {facts.get('reason')}",
}
