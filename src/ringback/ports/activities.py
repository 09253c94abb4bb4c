"""Activities in Temporal: how to end them, look them up, and keep them alive by heartbeats."""

from collections.abc import Sequence
from typing import Protocol

from ringback.domain.activity_state import ActivityState, HeartbeatResponse, Pending
from ringback.domain.callback import ActivityExecution, Callback
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
