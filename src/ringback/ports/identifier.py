"""Activities that somebody else's worker runs, learnt from Temporal by name."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from ringback.domain.callback import ActivityExecution
from ringback.domain.durations import later


@dataclass(frozen=True, slots=True)
class AttemptInfo:
    """What an SDK tells of an attempt, exact to the microsecond.

    Attributes:
        workflow_type: The type of its workflow; empty for a standalone activity.
        activity_type: Its type.
        task_queue: The task queue of its worker.
        scheduled_at: When the activity was first scheduled.
        started_at: When the attempt was started.
        schedule_to_close: The timeout over all attempts; `None` if there is none.
        start_to_close: The timeout of one attempt; `None` if there is none.
        heartbeat_timeout: The heartbeat timeout; `None` if there is none.
    """

    workflow_type: str
    activity_type: str
    task_queue: str
    scheduled_at: datetime
    started_at: datetime
    schedule_to_close: timedelta | None = None
    start_to_close: timedelta | None = None
    heartbeat_timeout: timedelta | None = None

    @property
    def attempt_timeout_at(self) -> datetime | None:
        """When Temporal times the attempt out; `None` if it never does."""
        ends = []
        if self.schedule_to_close:
            ends.append(later(self.scheduled_at, self.schedule_to_close))
        if self.start_to_close:
            ends.append(later(self.started_at, self.start_to_close))
        return min(ends, default=None)


@dataclass(frozen=True, slots=True)
class AttemptRef:
    """An attempt, by what its worker has at hand in every language.

    Attributes:
        namespace: Temporal's namespace.
        workflow_id: The workflow that scheduled the activity; empty for a standalone one.
        run_id: The run of it; a standalone one's own.
        activity_id: The activity's id in that run.
        attempt: The number of the attempt.
        task_token: What names the attempt to Temporal.
        info: What the SDK tells besides; `None` if it cuts instants to milliseconds.
    """

    namespace: str
    workflow_id: str
    run_id: str
    activity_id: str
    attempt: int
    task_token: bytes = field(repr=False)
    info: AttemptInfo | None = None

    def to_identified(self) -> "IdentifiedAttempt | None":
        """Return the attempt as its info describes it; `None` if it has none."""
        info = self.info
        if info is None:
            return None
        ref = ActivityExecution(
            self.namespace, self.workflow_id, self.run_id, self.activity_id, info.scheduled_at
        )
        return IdentifiedAttempt(
            ref=ref,
            workflow_type=info.workflow_type,
            activity_type=info.activity_type,
            task_queue=info.task_queue,
            started_at=info.started_at,
            attempt_timeout_at=info.attempt_timeout_at,
            schedule_to_close=info.schedule_to_close,
            heartbeat_timeout=info.heartbeat_timeout,
        )


@dataclass(frozen=True, slots=True)
class IdentifiedAttempt:
    """The attempt that was named, as Temporal has it.

    Attributes:
        ref: The activity, with the exact instant that it was first scheduled at: what SDKs tell
            of it is cut to milliseconds in some languages.
        workflow_type: The type of its workflow; empty for a standalone one.
        activity_type: Its type.
        task_queue: Where its worker takes it from.
        started_at: When the attempt was started.
        attempt_timeout_at: When Temporal times the attempt out, as far as is known.
        schedule_to_close: How long all its attempts may take; `None` is for ever.
        heartbeat_timeout: How long it may be without a heartbeat; `None` is for ever.
    """

    ref: ActivityExecution
    workflow_type: str
    activity_type: str
    task_queue: str
    started_at: datetime
    attempt_timeout_at: datetime | None
    schedule_to_close: timedelta | None
    heartbeat_timeout: timedelta | None


class Identifier(Protocol):
    """Who knows the attempts that run."""

    async def identify(self, named: AttemptRef) -> IdentifiedAttempt:
        """Return the attempt that is named, which runs now.

        An attempt with info is believed: only its task token is checked against its name.

        Raises:
            ActivityGoneError: It does not run any more, or never did.
            MalformedRequestError: The task token is none, or another activity's.
            RefusedByTemporalError: Temporal does not know the namespace.
            TemporalUnreachableError: No answer.
        """
        ...
