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
    """Why the attempt before the current one ended.

    Attributes:
        kind: Temporal's name for it, such as `application` or `timeout`.
        message: As Temporal stores it.
        type: The application failure's type, if it has one.
        source: Who made the failure; for one that Ringback delivered, the outcome's identity.
    """

    kind: str
    message: str
    type: str | None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """The activity still waits for its end.

    Attributes:
        attempt: The present attempt, or the next one while in back-off.
        is_started: Whether that attempt runs; false while in back-off, or when no worker took it.
        started_at: When that attempt was started; `None` if it was not.
        cancel_requested: Somebody asked it to cancel.
        paused: An operator paused it.
        attempt_timeout_at: When Temporal times the present attempt out, if it does.
        heartbeat_timeout: How long it may be without a heartbeat; `None` is for ever.
        last_failure: Why the attempt before ended, if there was one.
    """

    attempt: int
    is_started: bool
    started_at: datetime | None
    cancel_requested: bool
    paused: bool
    attempt_timeout_at: datetime | None
    last_failure: LastFailure | None
    heartbeat_timeout: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The activity waits no more.

    Attributes:
        how: `completed`, `failed`, `timed out`, `canceled`, `terminated`, or `workflow …` when the
            workflow closed over it.
        at: When, as Temporal has it.
        identity: Who closed it, as Temporal has it; empty where Temporal names nobody.
        event_id: The event of history that shows it; a standalone activity has no history.
        attempt: The attempt that was the last; `None` where Temporal does not show it.
        started_at: When that attempt was started; `None` if it was not, or is not shown.
        last_failure: Why the attempt before that one ended, if there was one and Temporal shows it.
    """

    how: str
    at: datetime
    identity: str
    event_id: int | None
    attempt: int | None = None
    started_at: datetime | None = None
    last_failure: LastFailure | None = None

    @property
    def is_workflow_end(self) -> bool:
        """Whether it was the workflow that closed, over an activity that still waited."""
        return self.how.startswith("workflow ")


@dataclass(frozen=True, slots=True)
class Unknown:
    """Temporal has no record of the activity: its workflow was deleted, or never was there.

    Attributes:
        why: What Temporal said.
    """

    why: str


ActivityState: TypeAlias = Pending | Ended | Unknown


DETAILS_INTERVAL: Final = timedelta(seconds=1)
"""Minimum interval for forwarding details of an activity without a heartbeat timeout."""


@dataclass(frozen=True, slots=True)
class HeartbeatState:
    """The heartbeats of the latest attempt.

    Attributes:
        timeout: Temporal's heartbeat timeout; `None` if there is none.
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
