"""Describe: what the server shows of pending activities; read only."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.activity.v1 import ActivityExecutionInfo
from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.service import WorkflowService

from ringback.domain.activity_state import LastFailure, Pending
from ringback.domain.callback import ActivityExecution
from ringback.domain.durations import later
from ringback.temporal.requests import describe_standalone, describe_workflow
from ringback.temporal.rpc import NO_METADATA, TIMEOUT, Metadata, in_time, translated


async def describe(
    service: WorkflowService, ref: ActivityExecution
) -> DescribeWorkflowExecutionResponse:
    """Describe the run of an activity, or the latest run without a run id.

    Raises:
        ActivityGoneError: The run does not exist.
        TemporalMisconfiguredError: The server does not know the namespace.
        TemporalUnreachableError: No reply.
    """
    with translated():
        return await in_time(describe_workflow(service, ref))


async def recorded_details(
    service: WorkflowService,
    ref: ActivityExecution,
    *,
    within: timedelta = TIMEOUT,
    metadata: Metadata = NO_METADATA,
) -> Payloads | None:
    """Return the details of the latest heartbeat; `None` if there are none.

    Raises:
        RPCError: The server's error, untranslated.
        RuntimeError: There is no connection.
    """
    waits: ActivityExecutionInfo | PendingActivityInfo | None
    if ref.is_standalone:
        standalone = describe_standalone(service, ref, metadata=metadata, with_details=True)
        waits = (await in_time(standalone, within=within)).info
    else:
        workflow = describe_workflow(service, ref, metadata)
        waits = find_pending(ref, await in_time(workflow, within=within))
    if waits is None or not waits.HasField("heartbeat_details"):
        return None
    return waits.heartbeat_details


def find_pending(
    ref: ActivityExecution, described: DescribeWorkflowExecutionResponse
) -> PendingActivityInfo | None:
    """Return the activity that waits with this id in a run; another one may have the id by then.

    A closed run still lists the activities that were pending (observed on server 1.32).
    """
    is_over = described.workflow_execution_info.HasField("close_time")
    return None if is_over else find_listed(ref, described)


def find_listed(
    ref: ActivityExecution, described: DescribeWorkflowExecutionResponse
) -> PendingActivityInfo | None:
    """Return the activity that a run lists with this id, even if the run is closed."""
    listed = described.pending_activities
    return next((found for found in listed if found.activity_id == ref.activity_id), None)


STARTED: Final = frozenset({
    PendingActivityState.PENDING_ACTIVITY_STATE_STARTED,
    PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED,
    PendingActivityState.PENDING_ACTIVITY_STATE_PAUSE_REQUESTED,
})
"""The states of a running attempt."""

_CUT_BY_THE_SERVER: Final = "Failure exceeds size limit."
"""The server's own failure around one that it truncated (observed on server 1.32)."""


def to_instant(timestamp: Timestamp) -> datetime:
    """Convert a protobuf timestamp as the SDK does: to UTC, truncated to microseconds."""
    return timestamp.ToDatetime(tzinfo=UTC)


def to_pending(found: PendingActivityInfo, scheduled_at: datetime) -> Pending:
    """Return the state of a pending activity that was scheduled at `scheduled_at`."""
    state = PendingActivityState
    options = found.activity_options
    paused = found.paused or found.state == state.PENDING_ACTIVITY_STATE_PAUSE_REQUESTED
    return Pending(
        attempt=found.attempt,
        is_started=found.state in STARTED,
        started_at=to_instant(found.last_started_time)
        if found.HasField("last_started_time")
        else None,
        cancel_requested=found.state == state.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED,
        paused=paused,
        # Pausing stops every timer of the activity (observed on server 1.32).
        attempt_timeout_at=None if paused else _timeout(found, scheduled_at),
        last_failure=to_last_failure(found.last_failure)
        if found.HasField("last_failure")
        else None,
        heartbeat_timeout=options.heartbeat_timeout.ToTimedelta() or None,
        times_out_at=None if paused else _end_of_all(found, scheduled_at),
        maximum_attempts=options.retry_policy.maximum_attempts,
        non_retryable_types=tuple(options.retry_policy.non_retryable_error_types),
    )


def _end_of_all(found: PendingActivityInfo, scheduled_at: datetime) -> datetime | None:
    in_all = found.activity_options.schedule_to_close_timeout.ToTimedelta()
    return later(scheduled_at, in_all) if in_all else None


def _timeout(found: PendingActivityInfo, scheduled_at: datetime) -> datetime | None:
    # From the options, which follow an operator's changes: the server uses them, and
    # `expiration_time` does not follow (observed on server 1.32).
    timeouts = list(filter(None, [_end_of_all(found, scheduled_at)]))
    attempt = found.activity_options.start_to_close_timeout.ToTimedelta()
    if attempt and found.state in STARTED:
        timeouts.append(later(to_instant(found.last_started_time), attempt))
    return min(timeouts, default=None)


def to_last_failure(failure: Failure) -> LastFailure:
    """Return how an attempt ended; unwrap a failure that the server truncated."""
    if failure.message == _CUT_BY_THE_SERVER and failure.HasField("cause"):
        failure = failure.cause
    kind = str(failure.WhichOneof("failure_info") or "unknown").removesuffix("_failure_info")
    is_application = failure.HasField("application_failure_info")
    type_ = failure.application_failure_info.type if is_application else None
    return LastFailure(
        kind,
        failure.message,
        type_ or None,
        failure.source,
        frozenset(cause.source for cause in _causes(failure)),
        is_encoded=failure.HasField("encoded_attributes"),
    )


def _causes(failure: Failure) -> Iterator[Failure]:
    while failure.HasField("cause"):
        failure = failure.cause
        yield failure
