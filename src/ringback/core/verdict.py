"""How an accepted outcome ended, judged from what Temporal shows."""

from datetime import datetime
from typing import assert_never

from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.ids import OutcomeId
from ringback.domain.outcome import KINDS, Failed
from ringback.ports.activities import Ended, LastFailure, Pending, Unknown, Whereabouts
from ringback.ports.store import Settlement


def identity_of(outcome_id: OutcomeId) -> str:
    """Return the identity under which an outcome is delivered: it alone, and history keeps it."""
    return f"ringback/{outcome_id}"


def may_recur(activity_id: str) -> bool:
    """Tell whether an activity id may come back in its run, and then name another activity.

    Those that a workflow chose may. The SDKs' own are sequence numbers, and do not.
    """
    return not activity_id.isdecimal()


def is_look_needed(callback: Callback, accepted: Accepted, *, now: datetime) -> bool:
    """Tell whether a delivery by id could meet what the answer was not given to.

    That is so where the activity may have ended and its id may have come back, and where a failure
    may have ended an attempt already and must not end the next one too.
    """
    may_have_timed_out = callback.deadline_at is None or callback.deadline_at <= now
    may_have_ended_one = accepted.handed_attempt is not None or accepted.tries > 1
    is_second_failure = isinstance(accepted.outcome, Failed) and may_have_ended_one
    return may_recur(callback.ref.activity_id) or may_have_timed_out or is_second_failure


def may_be_delivered(callback: Callback, accepted: Accepted, found: Whereabouts) -> bool:
    """Tell whether the activity, as it was found, still waits for this answer."""
    return isinstance(found, Pending) and not has_ended_an_attempt(callback, accepted, found)


def judge(callback: Callback, accepted: Accepted, found: Whereabouts) -> Settlement | None:
    """Return the verdict that `found` proves; `None` if it proves none yet."""
    match found:
        case Ended():
            return _judge_end(callback, accepted, found)
        case Unknown(why):
            return Settlement(callback.id, State.PARKED, {"reason": why})
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
