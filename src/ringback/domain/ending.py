"""How a question ended, in plain words for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.outcome import Canceled, Completed, Failed
from ringback.domain.policy import to_person
from ringback.domain.vote import APPROVAL_DENIED, Vote, tally

_DECIDED: Final = "Decided"
"""The heading of a decision whose result is not known, or does not say what was decided."""

GIVEN_UP_BY: Final = "given up by"
"""The fact of a proof that names the operator who gave a parked outcome up."""

_HEADINGS: Final = {True: "Approved", False: "Rejected"}


@dataclass(frozen=True, slots=True)
class QuestionEnding:
    """How a question ended.

    Attributes:
        heading: A few words, such as `Approved`.
        sentence: The same with what is known about it; messages show only this.
    """

    heading: str
    sentence: str


def why_ended(callback: Callback) -> str | None:
    """Return why no answer ended the activity; `None` if one did or still can."""
    proof = (callback.accepted.proof if callback.accepted else None) or {}
    match callback.state:
        case State.EXPIRED:
            return callback.expired_because
        case State.SUPERSEDED if _is_unproven(proof):
            return "an operator gave it up: Temporal does not show how the activity ended"
        case State.SUPERSEDED:
            at = f" at {proof['at']}" if "at" in proof else ""
            return f"the activity already ended ({proof.get('closed')}{at})"
        case State.PARKED:
            return "it could not be delivered; an operator must decide"
        case _:
            return None


def describe_end(callback: Callback) -> QuestionEnding | None:
    """Return how a question ended; `None` while it is open.

    It never says that something was approved before Temporal has applied it.
    """
    accepted, why = callback.accepted, why_ended(callback)
    if accepted is None:
        closed = QuestionEnding("No longer needed", f"Closed without an answer: {why}.")
        return None if callback.state is State.OPEN else closed
    heading, answer = _describe(callback, accepted)
    match callback.state:
        case State.APPLIED:
            return QuestionEnding(heading, f"Applied: {answer}.")
        case State.SUPERSEDED:
            is_unproven = _is_unproven(accepted.proof or {})
            was = "Unproven whether it was applied" if is_unproven else "Not applied"
            return QuestionEnding("Not used", f"Superseded: {why}. {was}: {answer}.")
        case State.PARKED:
            return QuestionEnding(
                "Accepted, not applied", f"Accepted, not applied: {answer}; {why}."
            )
        case _:
            return QuestionEnding(
                "Accepted, not yet applied", f"Accepted, not yet applied: {answer}."
            )


def name_end(callback: Callback, votes: Sequence[Vote]) -> str | None:
    """Return the heading of `describe_end` for a list, which has the votes and not the result."""
    end, policy = describe_end(callback), callback.options.policy
    if end is None:
        return None
    if end.heading == _DECIDED and policy is not None:
        is_approved = tally(policy, votes).is_approved
        return _DECIDED if is_approved is None else _HEADINGS[is_approved]
    return end.heading


def _is_unproven(proof: Mapping[str, object]) -> bool:
    """Return whether an operator gave an outcome up, and Temporal does not show the end."""
    return GIVEN_UP_BY in proof and "closed" not in proof


def _describe(callback: Callback, accepted: Accepted) -> tuple[str, str]:
    if accepted.is_default and not isinstance(accepted.outcome, Canceled):
        return "No decision in time", "no decision in time, so the default counts"
    policy = callback.options.policy
    match accepted.outcome:
        case Canceled():
            return "Canceled", "canceled"
        case Completed(result) if policy is not None and policy.is_decision:
            return _describe_decision(result)
        case Failed(type=kind, details=details) if kind == APPROVAL_DENIED:
            return _describe_decision((details or b"")[1:-1], is_approved=False)
        case Failed(message):
            return "Failed", f"failed: {message}"
        case _:
            return "Answered", "answered"


def _describe_decision(
    encoded: bytes | None, *, is_approved: bool | None = None
) -> tuple[str, str]:
    decision = _read(encoded)
    is_approved = decision.get("approved", is_approved)
    if not isinstance(is_approved, bool):
        return _DECIDED, "decided"
    by = f" by {to_person(decision['by'])}" if decision.get("by") else ""
    reason = f" ({decision['reason']})" if decision.get("reason") else ""
    said = f"{'approval' if is_approved else 'rejection'}{by}{reason}"
    return _HEADINGS[is_approved], said


def _read(encoded: bytes | None) -> dict[str, Any]:
    try:
        decision = json.loads(encoded or b"{}")
    except ValueError:
        return {}
    return decision if isinstance(decision, dict) else {}
