"""Verdicts: where the activity of a callback is now, and how its outcome ended."""

from dataclasses import replace
from typing import Final, assert_never

from ringback.core.delivery_failures import is_failure_of, is_recognizable, is_signed
from ringback.domain.activity_state import ActivityState, Ended, Pending, Unknown
from ringback.domain.callback import Accepted, ActivityExecution, Callback, State
from ringback.domain.durations import format_instant
from ringback.domain.ids import to_identity
from ringback.domain.options import Attempts
from ringback.domain.outcome import KINDS, Canceled, Completed, Failed, is_retried
from ringback.ports.activities import Activities
from ringback.ports.deliveries import Settlement

TRIES_WITHOUT_A_TRACE: Final = 10
"""How often Temporal may not know the activity before an operator must look.

It may be another server for a while: the address is wrong, or the server is being restored.
"""


def may_send_by_token(callback: Callback, accepted: Accepted) -> bool:
    """Return whether to deliver by the latest attempt's token without resolving the activity first.

    The token names one attempt, so sending a result twice does no harm. The activity is resolved
    first if the answer must not reach another attempt: an operator's reset makes the token of an
    earlier attempt valid again, and a failure that was sent before may have ended the attempt.
    """
    if callback.task_token is None or callback.options.attempts is Attempts.CURRENT:
        return False
    if not is_retried(accepted.outcome):
        return True
    is_first_try = accepted.tries <= 1 and accepted.delivered_inline_attempt is None
    return is_first_try and accepted.unconfirmed_started_at in {None, callback.attempt_started_at}


def may_be_delivered(callback: Callback, accepted: Accepted, found: ActivityState) -> bool:
    """Return whether the activity waits for this answer and can accept it now.

    A result also ends an activity between two attempts. A failure ends an attempt: only the latest
    that opened the callback, since a newer one receives the failure when it opens it.
    """
    if not isinstance(found, Pending) or judge(callback, accepted, found) is not None:
        return False
    match accepted.outcome:
        case Completed():
            return True
        case Failed():
            return is_opener(callback, found)
        case Canceled():
            return found.is_started
        case _:
            assert_never(accepted.outcome)


def is_attempt_of_token(callback: Callback, found: ActivityState) -> bool:
    """Return whether the running attempt is the one that the callback's token names."""
    return (
        isinstance(found, Pending)
        and callback.task_token is not None
        and found.attempt == callback.attempt
        and is_opener(callback, found)
    )


def judge(callback: Callback, accepted: Accepted, found: ActivityState) -> Settlement | None:
    """Return the verdict that `found` proves, if any."""
    match found:
        case Ended():
            return _judge_end(callback, accepted, found)
        case Unknown(why) if accepted.tries >= TRIES_WITHOUT_A_TRACE:
            return Settlement(callback.id, accepted.tries, State.PARKED, {"reason": why})
        case Unknown():
            return None
        case Pending() if callback.is_resumed:
            # The attempt that continues reports it: `ringback.core.resume`.
            return None
        case Pending():
            return _judge_pending(callback, accepted, found)
        case _:
            assert_never(found)


def _judge_pending(callback: Callback, accepted: Accepted, found: Pending) -> Settlement | None:
    if _has_ended_attempt(accepted, found):
        proof: dict[str, object] = {
            "ended attempt": accepted.unconfirmed_attempt or found.attempt - 1
        }
        return Settlement(callback.id, accepted.tries, State.APPLIED, proof)
    if _may_have_ended_attempt(accepted, found):
        reason = _unprovable(accepted)
        return Settlement(callback.id, accepted.tries, State.PARKED, {"reason": reason})
    if callback.options.attempts is Attempts.CURRENT and not is_opener(callback, found):
        proof = {"closed": f"attempt {callback.attempt} ended"}
        return Settlement(callback.id, accepted.tries, State.SUPERSEDED, proof)
    return None


def _has_ended_attempt(accepted: Accepted, found: Pending) -> bool:
    """Return whether an attempt has ended with this failure, and another follows.

    Temporal has no event for that, only the last failure of the pending activity. A final failure
    ends the activity: if an attempt catches it and fails in another way, the next one receives it
    again.
    """
    failure = found.last_failure
    if failure is None or not is_retried(accepted.outcome):
        return False
    if not is_failure_of(accepted, failure):
        return False
    # An operator's reset sets numbers back, and what is signed needs none.
    is_a_later_attempt = found.attempt > (accepted.delivered_inline_attempt or 0)
    return is_signed(accepted, failure) or is_a_later_attempt


def _may_have_ended_attempt(accepted: Accepted, found: Pending) -> bool:
    attempt = accepted.unconfirmed_attempt
    if attempt is None or not is_retried(accepted.outcome):
        return False
    still_runs = found.is_started and found.started_at == accepted.unconfirmed_started_at
    # Temporal shows the failure of the previous attempt, until a reset clears it. A reset sets the
    # number back too, so another attempt may have had it: the start time is better, where it shows.
    is_the_one_before = found.attempt == attempt + 1
    if found.before_started_at is not None:
        is_the_one_before = found.before_started_at == accepted.unconfirmed_started_at
    is_shown = is_the_one_before and is_recognizable(accepted, found.last_failure)
    return not still_runs and not is_shown


def is_opener(callback: Callback, found: ActivityState) -> bool:
    """Return whether the attempt that runs is the one that opened the callback last."""
    if not isinstance(found, Pending):
        return False
    # The number alone is not enough: an operator's reset sets it back.
    if callback.task_token is None:
        return found.is_started and found.attempt == callback.attempt
    return found.is_started and found.started_at == callback.attempt_started_at


def _judge_end(callback: Callback, accepted: Accepted, end: Ended) -> Settlement:
    proof: dict[str, object] = {
        "closed": end.how,
        "by": end.identity,
        "at": format_instant(end.at),
    }
    if end.event_id is not None:
        proof["event"] = end.event_id
    verdict = _verdict_of_end(callback, accepted, end)
    if verdict is State.PARKED:
        proof["reason"] = _unprovable(accepted)
    return Settlement(callback.id, accepted.tries, verdict, proof)


def _verdict_of_end(callback: Callback, accepted: Accepted, end: Ended) -> State:
    if callback.is_resumed:
        # No attempt has continued: it would have reported that first.
        return State.SUPERSEDED
    # In whose name is not enough: Temporal fails an activity over a result that is too large in
    # the name of who sent the result.
    is_its_kind = end.how == KINDS[type(accepted.outcome)]
    if is_its_kind and _is_ours(accepted, end):
        return State.APPLIED
    if is_its_kind and _is_inline_end(accepted, end):
        # A worker that got no reply fails the attempt by an error of its own.
        if isinstance(accepted.outcome, Completed) or is_failure_of(accepted, end.failure):
            return State.APPLIED
        if not is_recognizable(accepted, end.failure):
            return State.PARKED
    if end.last_failure is not None and end.last_failure.source == to_identity(accepted.id):
        # The attempt's number does not matter: an operator's reset sets it back.
        return State.APPLIED
    if accepted.unconfirmed_attempt is None or not is_retried(accepted.outcome):
        return State.SUPERSEDED
    if _was_unconfirmed_attempt(accepted, end):
        return State.SUPERSEDED
    # A missing failure proves nothing: an operator's change may have cleared it.
    is_shown = is_recognizable(accepted, end.last_failure)
    if end.attempt == accepted.unconfirmed_attempt + 1 and is_shown:
        is_ours = is_failure_of(accepted, end.last_failure)
        return State.APPLIED if is_ours else State.SUPERSEDED
    return State.PARKED


def _was_unconfirmed_attempt(accepted: Accepted, end: Ended) -> bool:
    """Return whether the unconfirmed attempt was the last one and ended in another way.

    An operator's reset sets its number back while it runs; a later attempt with the same number has
    another start time.
    """
    attempt = accepted.unconfirmed_attempt
    if end.attempt is None or attempt is None or end.attempt > attempt:
        return False
    return end.started_at == accepted.unconfirmed_started_at


def _is_ours(accepted: Accepted, end: Ended) -> bool:
    is_in_failure = end.failure is not None and is_signed(accepted, end.failure)
    return is_in_failure or end.identity == to_identity(accepted.id)


def _is_inline_end(accepted: Accepted, end: Ended) -> bool:
    is_its_worker = (
        accepted.delivered_inline_to is not None and end.identity == accepted.delivered_inline_to
    )
    is_its_number = end.attempt in {None, accepted.delivered_inline_attempt}
    # After an operator's reset another attempt may have its number.
    started_at = accepted.unconfirmed_started_at
    is_another = started_at is not None and end.started_at not in {None, started_at}
    return is_its_worker and is_its_number and not is_another


def _unprovable(accepted: Accepted) -> str:
    attempt = accepted.unconfirmed_attempt or accepted.delivered_inline_attempt
    return (
        f"it cannot be proved whether it ended attempt {attempt}: "
        "Temporal does not show how that attempt ended"
    )


async def resolve(activities: Activities, callback: Callback) -> tuple[Callback, ActivityState]:
    """Return the callback with its current run, and the state of its activity.

    A reset of the workflow ends the activity, unless the callback follows it to a run where the
    same activity waits.

    Raises:
        TemporalUnreachableError: Temporal does not reply.
    """
    return await resolve_from(activities, callback, await activities.resolve(callback.ref))


async def resolve_from(
    activities: Activities, callback: Callback, found: ActivityState
) -> tuple[Callback, ActivityState]:
    """Do the same, given the state that was `found` of the activity itself.

    Raises:
        TemporalUnreachableError: Temporal does not reply.
    """
    if isinstance(found, Unknown):
        await activities.check_server(callback)
    if not isinstance(found, Ended) or not _may_have_moved(callback, found):
        return callback, found
    moved_to = await activities.find_after_reset(callback.ref)
    if moved_to is None:
        return callback, found
    return _moved(callback, moved_to), await activities.resolve(moved_to)


def _may_have_moved(callback: Callback, end: Ended) -> bool:
    if not callback.options.follow_reset or not end.is_workflow_end:
        return False
    if callback.accepted is None:
        return True
    # An outcome that ended an attempt there, or may have, does not move to a later run.
    verdict = judge(callback, callback.accepted, end)
    return verdict is not None and verdict.verdict is State.SUPERSEDED


def _moved(callback: Callback, moved_to: ActivityExecution) -> Callback:
    accepted = callback.accepted
    if accepted is not None:
        # It ended no attempt in the old run, and attempts of the new run start at 1.
        accepted = replace(accepted, unconfirmed_attempt=None, unconfirmed_started_at=None)
    return replace(callback, ref=moved_to, accepted=accepted)
