"""Asking: what an attempt wants, and what it comes to where there is a callback already."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ringback.domain.callback import Accepted, ActivityExecution, Callback, State
from ringback.domain.ids import CallbackId
from ringback.domain.link import Verb
from ringback.domain.options import Attempts, CallbackOptions
from ringback.domain.outcome import Completed, Failed


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """What an attempt asks the store for: the callback of its activity, made if there is none.

    Attributes:
        id: The id that the callback gets if it is made now.
        ref: The activity.
        workflow_type: For people who look at the list.
        activity_type: For people who look at the list.
        task_queue: For people who look at the list.
        attempt: Which attempt asks, from 1; an operator's reset begins anew at 1.
        attempt_started_at: When Temporal started that attempt: of two, the later one counts.
        task_token: What names that attempt to Temporal. It never leaves the store but to Temporal.
        attempt_timeout_at: When Temporal times this attempt out, as far as its options tell.
        verbs: What the callback's link allows, if it is made now.
        key_id: Which key signs its link, if it is made now.
        link_expires_at: When its link stops to be good, if it is made now.
        options: What the activity sets for its callback.
        result_schema: The JSON Schema that a result must meet, as text; `None` takes any JSON.
        heartbeat_timeout: Temporal's heartbeat timeout; `None` if there is none.
    """

    id: CallbackId
    ref: ActivityExecution
    workflow_type: str
    activity_type: str
    task_queue: str
    attempt: int
    attempt_started_at: datetime
    task_token: bytes | None = field(repr=False)
    attempt_timeout_at: datetime | None
    verbs: frozenset[Verb]
    key_id: str
    link_expires_at: datetime
    options: CallbackOptions = field(default_factory=CallbackOptions)
    result_schema: str | None = None
    heartbeat_timeout: timedelta | None = None


def is_later_attempt(callback: Callback, request: OpenRequest) -> bool:
    """Tell whether `request` comes from a later attempt than the one that asked last."""
    return request.attempt_started_at > callback.attempt_started_at


def needs_new_callback(callback: Callback, request: OpenRequest) -> bool:
    """Tell whether an attempt that finds `callback` needs a new one.

    It does when the question is settled and yet Temporal runs the activity again: the answer was a
    failure that Temporal retried, or nobody waited for it. A result stays the result: an attempt
    that failed after it was given it gets it again. A failure to be retried that is parked holds
    up no later attempt: that it asks anew is all that such a failure wants. Where each attempt asks
    for itself, a later attempt always needs a new one.
    """
    if callback.options.attempts is Attempts.CURRENT and is_later_attempt(callback, request):
        return True
    accepted = callback.accepted
    if callback.state is State.PARKED and accepted is not None:
        return _is_retried_by(request, accepted)
    if callback.state in {State.OPEN, State.ACCEPTED}:
        return False
    return accepted is None or not isinstance(accepted.outcome, Completed)


def _is_retried_by(request: OpenRequest, accepted: Accepted) -> bool:
    outcome, tried_at = accepted.outcome, accepted.unconfirmed_started_at
    if not isinstance(outcome, Failed) or outcome.non_retryable:
        return False
    return tried_at is None or request.attempt_started_at > tried_at
