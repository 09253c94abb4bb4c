"""Describe: what the server shows of pending activities; read only."""

from datetime import timedelta

from temporalio.api.activity.v1 import ActivityExecutionInfo
from temporalio.api.common.v1 import Payloads
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.service import WorkflowService

from ringback.domain.callback import ActivityExecution
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
