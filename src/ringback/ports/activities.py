"""Activities in Temporal: end them, look them up, heartbeat for them, and identify attempts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ringback.domain.activity_state import ActivityState, HeartbeatResponse, Pending
from ringback.domain.callback import ActivityExecution, Callback
from ringback.domain.opening import RunningAttempt
from ringback.domain.outcome import Outcome
from ringback.domain.terms import Terms


class Activities(Protocol):
    """Activities in Temporal.

    Every method raises `TemporalUnreachableError` if Temporal does not reply or cannot serve now,
    and `TemporalMisconfiguredError` if the server is the wrong one or rejects the gateway.
    """

    async def check(self, terms: Terms, outcome: Outcome) -> None:
        """Check that Temporal would accept `outcome`, encoded as for its delivery.

        Raises:
            AnswerTooLargeError: Temporal would cut it, or fail the activity because of it.
        """
        ...

    async def encode(self, callback: Callback, outcome: Outcome) -> object:
        """Encode `outcome` for `deliver` and `deliver_to_attempt`.

        Raises:
            EncodingError: The user's data converter or codec failed or timed out.
        """
        ...

    async def deliver_to_attempt(
        self, callback: Callback, encoded: object, *, identity: str
    ) -> None:
        """End the latest attempt that opened the callback, as `identity`.

        The request names the attempt by its task token, so it never reaches another attempt. The
        callback must have a token.

        Raises:
            ActivityGoneError: NOT_FOUND; resolve the activity to find out why.
            AnswerTooLargeError: Temporal would cut it, or fail the activity because of it.
            RefusedByTemporalError: Temporal rejected the request.
            TemporalUnreachableError: No reply; the outcome may have been applied.
        """
        ...

    async def deliver(self, callback: Callback, encoded: object, *, identity: str) -> None:
        """End the activity, as `identity`.

        The request names the activity by its ids, and reaches whichever activity has these ids now.
        Poll or resolve the activity first.

        Raises:
            ActivityGoneError: NOT_FOUND; resolve the activity to find out why.
            AnswerTooLargeError: Temporal would cut it, or fail the activity because of it.
            RefusedByTemporalError: Temporal rejected the request.
            TemporalUnreachableError: No reply; the outcome may have been applied.
        """
        ...

    async def poll(self, refs: Sequence[ActivityExecution]) -> Sequence[Pending | None]:
        """Return the pending state of each activity, in order; `None` if it no longer waits.

        One read-only request serves all activities of a run.
        """
        ...

    async def resolve(self, ref: ActivityExecution) -> ActivityState:
        """Return the activity's pending state or, from history, how it ended."""
        ...

    async def resolve_all(self, refs: Sequence[ActivityExecution]) -> Sequence[ActivityState]:
        """Resolve each activity, in order, with one pass over the history of each run."""
        ...

    async def check_server(self, callback: Callback) -> None:
        """Check that this server runs the activity, if the callback's token can show it.

        Call this before you trust a server that does not know the activity.

        Raises:
            TemporalMisconfiguredError: It is another server, or its data was deleted.
        """
        ...

    async def find_after_reset(self, ref: ActivityExecution) -> ActivityExecution | None:
        """Return the activity in the workflow's latest run, if a reset moved it there.

        A reset to a point after the activity was scheduled copies the scheduling event, with its
        time, into the new run (observed on server 1.32).
        """
        ...


class Heartbeats(Protocol):
    """Heartbeats that Temporal records.

    A heartbeat without details preserves the recorded details. Every method raises
    `TemporalUnreachableError` if Temporal does not reply.
    """

    async def check_details(self, callback: Callback, details: bytes | None) -> None:
        """Check that Temporal would accept `details`, encoded as for a heartbeat.

        Raises:
            AnswerTooLargeError: Temporal would fail the activity because of them.
            EncodingError: The user's data converter or codec failed.
        """
        ...

    async def heartbeat_to_attempt(
        self, callback: Callback, details: bytes | None
    ) -> HeartbeatResponse:
        """Record a heartbeat for the latest attempt that opened the callback, with one request.

        The request names the attempt by its task token, so it never reaches another attempt. The
        callback must have a token.

        Raises:
            ActivityGoneError: NOT_FOUND; resolve the activity to find out why.
            AnswerTooLargeError: Temporal would fail the activity because of the details.
            EncodingError: The user's data converter or codec failed.
            RefusedByTemporalError: Temporal rejected the request.
        """
        ...

    async def heartbeat(self, callback: Callback, details: bytes | None) -> HeartbeatResponse:
        """Record a heartbeat for the attempt that runs now, by the activity's ids.

        Poll the activity first: the ids may belong to another activity.

        Raises:
            ActivityGoneError: The activity has ended, or is between two attempts.
            AnswerTooLargeError: Temporal would fail the activity because of the details.
            EncodingError: The user's data converter or codec failed.
            RefusedByTemporalError: Temporal rejected the request.
        """
        ...


@dataclass(frozen=True, slots=True)
class AttemptRef:
    """An attempt, by what its worker knows in every language.

    Attributes:
        namespace: Temporal's namespace.
        workflow_id: The workflow that scheduled the activity; empty for a standalone activity.
        run_id: The run of the workflow, or of the standalone activity.
        activity_id: The activity's id in that run.
        attempt: The number of the attempt.
        task_token: Temporal's token of the attempt.
        known: The attempt, as its SDK knows it; `None` if the SDK cuts times to milliseconds.
    """

    namespace: str
    workflow_id: str
    run_id: str
    activity_id: str
    attempt: int
    task_token: bytes = field(repr=False)
    known: RunningAttempt | None = None


class Identifier(Protocol):
    """Finds running attempts."""

    async def identify(self, named: AttemptRef) -> RunningAttempt:
        """Return the running attempt that `named` names.

        What `named` says of the attempt is trusted. Only its task token is checked against its ids.

        Raises:
            ActivityGoneError: The attempt is not running.
            MalformedRequestError: The task token is invalid, or belongs to another attempt.
            RefusedByTemporalError: Temporal does not know the namespace.
            TemporalUnreachableError: No reply.
        """
        ...
