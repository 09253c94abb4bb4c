"""Activities as Temporal keeps them: what can be told to one, and what can be learnt about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from ringback.domain.callback import ActivityExecution, Callback
from ringback.domain.outcome import Outcome
from ringback.domain.terms import Terms


@dataclass(frozen=True, slots=True)
class HeartbeatResponse:
    """What Temporal answers to a heartbeat.

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
    """Why the attempt before the present one ended.

    Attributes:
        kind: `application`, `timeout`, or what else Temporal calls it.
        message: As Temporal kept it.
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
    def is_the_workflow_s(self) -> bool:
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
