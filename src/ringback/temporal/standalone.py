"""Standalone activities: those without a workflow, and so without a history.

One description shows how such an activity waits or ended, and who ended it as far as the server
records that. Server behavior described here was observed on server 1.32.
"""

from datetime import datetime
from typing import Final

from temporalio.api.activity.v1 import ActivityExecutionInfo
from temporalio.api.enums.v1 import ActivityExecutionStatus, PendingActivityState
from temporalio.api.workflowservice.v1 import DescribeActivityExecutionResponse
from temporalio.service import WorkflowService

from ringback.domain.activity_state import Ended, LastFailure, Pending, Unknown
from ringback.domain.callback import ActivityExecution
from ringback.domain.durations import later
from ringback.domain.errors import ActivityGoneError
from ringback.temporal.describe import STARTED, to_instant, to_last_failure
from ringback.temporal.encoding import signer_of
from ringback.temporal.requests import describe_standalone
from ringback.temporal.rpc import in_time, translated

_ENDS: Final = {
    ActivityExecutionStatus.ACTIVITY_EXECUTION_STATUS_COMPLETED: "completed",
    ActivityExecutionStatus.ACTIVITY_EXECUTION_STATUS_FAILED: "failed",
    ActivityExecutionStatus.ACTIVITY_EXECUTION_STATUS_TIMED_OUT: "timed out",
    ActivityExecutionStatus.ACTIVITY_EXECUTION_STATUS_CANCELED: "canceled",
    ActivityExecutionStatus.ACTIVITY_EXECUTION_STATUS_TERMINATED: "terminated",
}

_PAUSED: Final = frozenset({
    PendingActivityState.PENDING_ACTIVITY_STATE_PAUSED,
    PendingActivityState.PENDING_ACTIVITY_STATE_PAUSE_REQUESTED,
})


async def resolve(service: WorkflowService, ref: ActivityExecution) -> Pending | Ended | Unknown:
    """Return how the activity waits, or how it ended.

    Raises:
        TemporalUnreachableError: No reply.
        TemporalMisconfiguredError: The server lacks standalone activities, or the namespace.
    """
    try:
        described = await describe(service, ref, with_end=True)
    except ActivityGoneError as exc:
        return Unknown(str(exc))
    return to_activity_state(described)


def to_activity_state(described: DescribeActivityExecutionResponse) -> Pending | Ended:
    """Return the state in a description that includes its outcome and latest failure."""
    how = _ENDS.get(described.info.status)
    return _to_pending(described.info) if how is None else _to_ended(how, described)


async def describe(
    service: WorkflowService, ref: ActivityExecution, *, with_end: bool = False
) -> DescribeActivityExecutionResponse:
    """Describe a standalone activity; `with_end` includes how its attempts ended.

    Raises:
        ActivityGoneError: The activity does not exist.
        TemporalMisconfiguredError: The server lacks standalone activities, or the namespace.
        TemporalUnreachableError: No reply.
    """
    with translated(ref):
        return await in_time(describe_standalone(service, ref, with_end=with_end))


def _to_pending(info: ActivityExecutionInfo) -> Pending:
    cancel_requested = PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED
    # During backoff the earlier attempt's start is still shown: only the state is reliable.
    is_started = info.run_state in STARTED
    last_started_at = _last_started_at(info)
    return Pending(
        attempt=info.attempt,
        is_started=is_started,
        started_at=last_started_at if is_started else None,
        cancel_requested=info.run_state == cancel_requested,
        paused=info.run_state in _PAUSED,
        attempt_timeout_at=_timeout(info, is_started=is_started),
        last_failure=_last_failure(info),
        before_started_at=None if is_started else last_started_at,
        heartbeat_timeout=info.heartbeat_timeout.ToTimedelta() or None,
        times_out_at=_end_of_all(info),
        maximum_attempts=info.retry_policy.maximum_attempts,
        non_retryable_types=tuple(info.retry_policy.non_retryable_error_types),
    )


def _last_started_at(info: ActivityExecutionInfo) -> datetime | None:
    return to_instant(info.last_started_time) if info.HasField("last_started_time") else None


def _end_of_all(info: ActivityExecutionInfo) -> datetime | None:
    # It follows an operator's changes, and does not stop while the activity is paused.
    return to_instant(info.expiration_time) if info.HasField("expiration_time") else None


def _timeout(info: ActivityExecutionInfo, *, is_started: bool) -> datetime | None:
    timeouts = list(filter(None, [_end_of_all(info)]))
    # This timeout behaves in the same way.
    attempt = info.start_to_close_timeout.ToTimedelta()
    if attempt and is_started:
        timeouts.append(later(to_instant(info.last_started_time), attempt))
    return min(timeouts, default=None)


def _to_ended(how: str, described: DescribeActivityExecutionResponse) -> Ended:
    info, before = described.info, _failure_before(how, described)
    return Ended(
        how,
        to_instant(info.close_time),
        _identity(how, described),
        event_id=None,
        attempt=info.attempt,
        # That of the latest started attempt: it is not cleared between two attempts.
        started_at=_last_started_at(info),
        last_failure=before,
        failure=to_last_failure(described.outcome.failure) if how == "failed" else None,
    )


def _identity(how: str, described: DescribeActivityExecutionResponse) -> str:
    match how:
        case "completed" | "failed":
            # The last caller counts as the last worker.
            return described.info.last_worker_identity
        case "canceled":
            return signer_of(described.outcome.failure.canceled_failure_info.details)
        case _:
            return ""


def _failure_before(how: str, described: DescribeActivityExecutionResponse) -> LastFailure | None:
    """Return why the attempt before the last one ended, if the server shows it."""
    match how:
        case "failed":
            # The failure that ended it replaced it.
            return None
        case "timed out":
            # The timeout that ended it replaced it, and has it as its cause.
            failure = described.outcome.failure
            return to_last_failure(failure.cause) if failure.HasField("cause") else None
        case _:
            return _last_failure(described.info)


def _last_failure(info: ActivityExecutionInfo) -> LastFailure | None:
    return to_last_failure(info.last_failure) if info.HasField("last_failure") else None
