"""The state of an activity and its heartbeats, as Temporal shows it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from ringback.domain.durations import LONGEST_DURATION


@dataclass(frozen=True, slots=True)
class HeartbeatResponse:
    """Temporal's response to a heartbeat.

    Attributes:
        cancel_requested: Somebody asked the activity to cancel.
        paused: An operator paused the activity.
        reset: An operator reset the activity.
    """

    cancel_requested: bool
    paused: bool
    reset: bool


@dataclass(frozen=True, slots=True)
class LastFailure:
    """Why an attempt ended: the last one, or the one before the current one.

    Attributes:
        kind: Temporal's name for it, such as `application` or `timeout`.
        message: Temporal's message.
        type: The type of an application failure, if any.
        source: The creator of the failure; if it is an outcome, the outcome's identity.
        causes: The sources of the failures that caused it.
        is_encoded: Whether a failure converter has hidden the message from the server.
    """

    kind: str
    message: str
    type: str | None
    source: str = ""
    causes: frozenset[str] = frozenset()
    is_encoded: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """The activity waits for its end.

    Attributes:
        attempt: The current attempt, or the next one during a backoff.
        is_started: Whether that attempt runs; false during a backoff and before a worker takes it.
        started_at: When that attempt was started, if it was.
        cancel_requested: Somebody asked the activity to cancel.
        paused: An operator paused it.
        attempt_timeout_at: When Temporal times out the current attempt, if it does.
        last_failure: Why the attempt before ended, if there was one.
        before_started_at: When the attempt before was started, if Temporal shows it: only between
            two attempts of a standalone activity.
        heartbeat_timeout: The heartbeat timeout; `None` if unset.
        times_out_at: When its schedule-to-close timeout ends it; `None` if that is unset, or a
            pause suspends it.
        maximum_attempts: The most attempts that its retry policy allows; 0 is any number.
        non_retryable_types: The failure types that its retry policy does not retry.
    """

    attempt: int
    is_started: bool
    started_at: datetime | None
    cancel_requested: bool
    paused: bool
    attempt_timeout_at: datetime | None
    last_failure: LastFailure | None
    before_started_at: datetime | None = None
    heartbeat_timeout: timedelta | None = None
    times_out_at: datetime | None = None
    maximum_attempts: int = 0
    non_retryable_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """The activity has ended.

    Attributes:
        how: `completed`, `failed`, `timed out`, `canceled`, `terminated`, or `workflow …` if the
            workflow closed while the activity was pending.
        at: When, according to Temporal.
        identity: The identity that ended it, according to Temporal; empty if Temporal does not say.
        event_id: The event of history that shows it; a standalone activity has no history.
        attempt: The last attempt; `None` if Temporal does not show it.
        started_at: When that attempt was started; `None` if it was not, or Temporal does not show
            it.
        last_failure: Why the attempt before that one ended, if Temporal shows it.
        failure: The failure that failed the activity, if Temporal shows it.
    """

    how: str
    at: datetime
    identity: str
    event_id: int | None
    attempt: int | None = None
    started_at: datetime | None = None
    last_failure: LastFailure | None = None
    failure: LastFailure | None = None

    @property
    def is_workflow_end(self) -> bool:
        """Whether the workflow closed while the activity was pending."""
        return self.how.startswith("workflow ")


@dataclass(frozen=True, slots=True)
class Unknown:
    """Temporal has no record of the activity: its workflow was deleted, or never existed.

    Attributes:
        why: Temporal's message.
    """

    why: str


ActivityState: TypeAlias = Pending | Ended | Unknown


def only_pending(found: ActivityState | None) -> Pending | None:
    """Return the state of an activity that waits for its end; `None` for others."""
    return found if isinstance(found, Pending) else None


DETAILS_INTERVAL: Final = timedelta(seconds=1)
"""Minimum interval for forwarding details of an activity without a heartbeat timeout."""


@dataclass(frozen=True, slots=True)
class HeartbeatState:
    """The heartbeats of the latest attempt.

    Attributes:
        timeout: Temporal's heartbeat timeout; `None` if unset.
        details: The sender's latest details, as one JSON value; Temporal may not have them yet.
        heartbeat_received_at: When the sender's latest heartbeat arrived.
        heartbeat_sent_at: When Temporal accepted the latest heartbeat for this attempt.
        heartbeat_due_at: When the next heartbeat is due, if any.
    """

    timeout: timedelta | None = None
    details: bytes | None = field(default=None, repr=False)
    heartbeat_received_at: datetime | None = None
    heartbeat_sent_at: datetime | None = None
    heartbeat_due_at: datetime | None = None

    @property
    def gap(self) -> timedelta:
        """The minimum interval between heartbeats to Temporal: half the timeout.

        So a lost heartbeat can be repeated in time, and the load on Temporal does not depend on
        the sender.
        """
        return DETAILS_INTERVAL if self.timeout is None else min(self.timeout, LONGEST_DURATION) / 2
