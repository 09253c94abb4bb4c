"""How an accepted outcome ended, judged from what Temporal shows."""

from typing import Final, assert_never

from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.ids import OutcomeId
from ringback.domain.outcome import KINDS, Failed
from ringback.ports.activities import Ended, LastFailure, Pending, Unknown, Whereabouts
from ringback.ports.store import Settlement

TRIES_WITHOUT_A_TRACE: Final = 10
"""How often Temporal may know nothing of the activity before a person must look.

It may be another server for a while: a wrong address, or one that is being restored.
"""


def identity_of(outcome_id: OutcomeId) -> str:
    """Return the identity under which an outcome is delivered: it alone, and history keeps it."""
    return f"ringback/{outcome_id}"


def may_be_delivered(callback: Callback, accepted: Accepted, found: Whereabouts) -> bool:
    """Tell whether the activity, as it was found, still waits for this answer."""
    return isinstance(found, Pending) and not has_ended_an_attempt(callback, accepted, found)


def judge(callback: Callback, accepted: Accepted, found: Whereabouts) -> Settlement | None:
    """Return the verdict that `found` proves; `None` if it proves none yet."""
    match found:
        case Ended():
            return _judge_end(callback, accepted, found)
        case Unknown(why) if accepted.tries >= TRIES_WITHOUT_A_TRACE:
            return Settlement(callback.id, State.PARKED, {"reason": why})
        case Unknown():
            return None
        case Pending() if has_ended_an_attempt(callback, accepted, found):
            return Settlement(callback.id, State.APPLIED, {"ended attempt": found.attempt - 1})
        case Pending():
            return None
        case _:
            assert_never(found)


def has_ended_an_attempt(callback: Callback, accepted: Accepted, found: Pending) -> bool:
    """Tell whether the attempt that asked has ended with this failure, and another follows it.

    Temporal keeps no event for it, only the latest failure beside the pending activity.
    """
    asked_in = accepted.handed_attempt or callback.attempt
    return found.attempt > asked_in and is_failure_of(accepted, found.last_failure)


def is_failure_of(accepted: Accepted, last_failure: LastFailure | None) -> bool:
    """Tell whether an attempt ended with the failure that was accepted.

    One that was delivered carries the outcome's identity as its source. One that an attempt took
    and raised went through the SDK, which signs for itself: there the text must do.
    """
    outcome = accepted.outcome
    if last_failure is None or not isinstance(outcome, Failed):
        return False
    if last_failure.source == identity_of(accepted.id):
        return True
    has_its_text = (last_failure.message, last_failure.type) == (outcome.message, outcome.type)
    return (
        accepted.handed_attempt is not None and last_failure.kind == "application" and has_its_text
    )


def _judge_end(callback: Callback, accepted: Accepted, end: Ended) -> Settlement:
    proof: dict[str, object] = {
        "closed": end.how,
        "by": end.identity,
        "at": end.at.isoformat(),
        "event": end.event_id,
    }
    is_ours = end.identity == identity_of(accepted.id)
    is_handed = end.identity == accepted.handed_to and end.how == KINDS[type(accepted.outcome)]
    verdict = State.APPLIED if is_ours or is_handed else State.SUPERSEDED
    return Settlement(callback.id, verdict, proof)
