"""Activities in Temporal: end them, look them up, heartbeat for them, and identify attempts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from ringback.domain.activity_state import ActivityState, HeartbeatResponse, Pending
from ringback.domain.callback import ActivityExecution, Callback
from ringback.domain.durations import later
from ringback.domain.outcome import Outcome
from ringback.domain.terms import Terms


class Activities(Protocol):
    """Temporal's side of a callback.

    All methods raise `TemporalUnreachableError` when there was no answer, or none that settles it,
    and `TemporalMisconfiguredError` when it is the wrong server or rejects the gateway.
    """

    async def check(self, terms: Terms, outcome: Outcome) -> None:
        """Check that Temporal would take `outcome` as it is, encoded as it will be delivered.

        Raises:
            AnswerTooLargeError: Temporal would cut it, or fail the activity over it.
        """
        ...

    async def encode(self, callback: Callback, outcome: Outcome) -> object:
        """Return `outcome` as `deliver` and `deliver_to_attempt` take it.

        Raises:
            EncodingError: The user's data converter or codec failed, or did not return in time.
        """
        ...

    async def deliver_to_attempt(
        self, callback: Callback, encoded: object, *, identity: str
    ) -> None:
        """End the attempt that asked last with an outcome, in the name of `identity`.

        By its task token: it reaches that attempt or nothing. The callback has a token.

        Raises:
            ActivityGoneError: NOT_FOUND; look it up to learn what that means.
            AnswerTooLargeError: Temporal would cut it, or fail the activity over it.
            RefusedByTemporalError: The request cannot be fulfilled as it is.
            TemporalUnreachableError: No answer; it may have been applied.
        """
        ...

    async def deliver(self, callback: Callback, encoded: object, *, identity: str) -> None:
        """End the activity with an outcome, in the name of `identity`.

        By its ids: it reaches whatever has them by now, so look first.

        Raises:
            ActivityGoneError: NOT_FOUND; look it up to learn what that means.
            AnswerTooLargeError: Temporal would cut it, or fail the activity over it.
            RefusedByTemporalError: The request cannot be fulfilled as it is.
            TemporalUnreachableError: No answer; it may have been applied.
        """
        ...

    async def poll(self, refs: Sequence[ActivityExecution]) -> Sequence[Pending | None]:
        """Tell for each, in their order, how it waits; `None` if it does not wait any more.

        Read only, and one request for all the activities of one run.
        """
        ...

    async def resolve(self, ref: ActivityExecution) -> ActivityState:
        """Tell how the activity waits or, from history, how it ended."""
        ...

    async def resolve_all(self, refs: Sequence[ActivityExecution]) -> Sequence[ActivityState]:
        """Tell the same for each, in their order, with one pass for all the activities of a run."""
        ...

    async def check_server(self, callback: Callback) -> None:
        """Check that this is the server that runs the activity, where the token can show it.

        Ask it before believing that the server does not know an activity.

        Raises:
            TemporalMisconfiguredError: It is another server, or its data was emptied.
        """
        ...

    async def find_after_reset(self, ref: ActivityExecution) -> ActivityExecution | None:
        """Return the same activity in the workflow's latest run, if a reset has brought it there.

        A reset that keeps the event which scheduled the activity makes a run that has it too, at
        the same instant (observed on server 1.32).
        """
        ...


class Heartbeats(Protocol):
    """Heartbeats that Temporal records for an activity.

    A heartbeat without details keeps those that were recorded before. All methods raise
    `TemporalUnreachableError` when there was no answer.
    """

    async def check_details(self, callback: Callback, details: bytes | None) -> None:
        """Check that Temporal would take `details`, encoded as they will be sent.

        Raises:
            AnswerTooLargeError: Temporal would fail the activity over them.
            EncodingError: The user's data converter or codec failed.
        """
        ...

    async def heartbeat_to_attempt(
        self, callback: Callback, details: bytes | None
    ) -> HeartbeatResponse:
        """Record a heartbeat for the attempt that asked last.

        By its task token: it reaches that attempt or nothing, with one request. The callback has a
        token.

        Raises:
            ActivityGoneError: NOT_FOUND; look it up to learn what that means.
            AnswerTooLargeError: Temporal would fail the activity over the details.
            EncodingError: The user's data converter or codec failed.
            RefusedByTemporalError: The request cannot be fulfilled as it is.
        """
        ...

    async def heartbeat(self, callback: Callback, details: bytes | None) -> HeartbeatResponse:
        """Record a heartbeat for whatever attempt runs now, by the activity's ids: look first.

        Raises:
            ActivityGoneError: The activity has ended, or is between two attempts.
            AnswerTooLargeError: Temporal would fail the activity over the details.
            EncodingError: The user's data converter or codec failed.
            RefusedByTemporalError: The request cannot be fulfilled as it is.
        """
        ...


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
