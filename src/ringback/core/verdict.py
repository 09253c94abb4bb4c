"""How an accepted outcome ended, judged from what Temporal shows and never guessed."""

from typing import assert_never

from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.ids import OutcomeId
from ringback.domain.outcome import KINDS, Failed
from ringback.ports.activities import Ended, LastFailure, Pending, Unknown, Whereabouts
from ringback.ports.store import Settlement


def identity_of(outcome_id: OutcomeId) -> str:
    """Return the identity under which an outcome is delivered: it alone, and history keeps it."""
    return f"ringback/{outcome_id}"


def judge(callback: Callback, accepted: Accepted, found: Whereabouts) -> Settlement | None:
    """Return the verdict that `found` proves; `None` if it proves none yet."""
    match found:
        case Ended():
            return _judge_end(callback, accepted, found)
        case Unknown(why):
            return Settlement(callback.id, State.PARKED, {"reason": why})
        case Pending(last_failure=last_failure) if has_ended_with(accepted, last_failure):
            return Settlement(
                callback.id, State.APPLIED, {"attempt failed": accepted.handed_attempt}
            )
        case Pending():
            return None
        case _:
            assert_never(found)


def has_ended_with(accepted: Accepted, last_failure: LastFailure | None) -> bool:
    """Tell whether the attempt that took this failure did end with it, and another one followed."""
    outcome = accepted.outcome
    return (
        isinstance(outcome, Failed)
        and accepted.handed_attempt is not None
        and last_failure is not None
        and last_failure.kind == "application"
        and (last_failure.message, last_failure.type) == (outcome.message, outcome.type)
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
