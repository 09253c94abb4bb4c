"""How an accepted outcome ended, judged from what Temporal shows and never guessed."""

from typing import assert_never

from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.ids import OutcomeId
from ringback.domain.outcome import KINDS, Failed, Outcome
from ringback.ports.activities import Ended, LastFailure, Pending, Unknown, Whereabouts
from ringback.ports.store import Settlement


def identity_of(outcome_id: OutcomeId) -> str:
    """Return the identity under which an outcome is delivered: it alone, and history keeps it."""
    return f"ringback/{outcome_id}"


def is_look_needed(callback: Callback, accepted: Accepted) -> bool:
    """Tell whether a delivery by id could meet what the answer was not given to.

    An activity id that the workflow chose may come back in its run, and then names another
    activity; the SDKs' own ids are sequence numbers, which do not come back. A failure that may
    have ended an attempt already must not end the next one too.
    """
    is_sequence_number = callback.ref.activity_id.isdecimal()
    may_have_ended_one = accepted.handed_attempt is not None or accepted.tries > 1
    return not is_sequence_number or (isinstance(accepted.outcome, Failed) and may_have_ended_one)


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
    return found.attempt > asked_in and is_failure_of(accepted.outcome, found.last_failure)


def is_failure_of(outcome: Outcome, last_failure: LastFailure | None) -> bool:
    """Tell whether an attempt's failure is the one that `outcome` asks for."""
    if last_failure is None or not isinstance(outcome, Failed):
        return False
    same = (last_failure.message, last_failure.type) == (outcome.message, outcome.type)
    return last_failure.kind == "application" and same


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
