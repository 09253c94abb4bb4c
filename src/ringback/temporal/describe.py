"""Describe: what the server shows of a workflow's pending activities, read only."""

from collections.abc import Sequence

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
)
from temporalio.service import WorkflowService

from ringback.domain.callback import ActivityExecution
from ringback.temporal.request import in_time, translated


async def describe(
    service: WorkflowService, ref: ActivityExecution
) -> DescribeWorkflowExecutionResponse:
    """Return what the server shows of the run of an activity; of the latest one without a run id.

    Raises:
        ActivityGoneError: There is no such run.
        TemporalMisconfiguredError: The server does not know the namespace.
        TemporalUnreachableError: No answer.
    """
    request = DescribeWorkflowExecutionRequest(
        namespace=ref.namespace,
        execution=WorkflowExecution(workflow_id=ref.workflow_id, run_id=ref.run_id),
    )
    with translated():
        return await in_time(service.describe_workflow_execution, request)


async def pending_activities(
    service: WorkflowService, ref: ActivityExecution
) -> Sequence[PendingActivityInfo]:
    """Return the activities that wait in the run of an activity.

    Raises:
        ActivityGoneError: There is no such run.
        TemporalMisconfiguredError: The server does not know the namespace.
        TemporalUnreachableError: No answer.
    """
    described = await describe(service, ref)
    return [] if is_closed(described) else described.pending_activities


def is_closed(described: DescribeWorkflowExecutionResponse) -> bool:
    """Tell whether the run is over: it still lists the activities that it closed over (1.32)."""
    return described.workflow_execution_info.HasField("close_time")


def with_id(
    ref: ActivityExecution, pending: Sequence[PendingActivityInfo]
) -> PendingActivityInfo | None:
    """Return the one of `pending` that has the activity's id, whichever it is by now."""
    return next((found for found in pending if found.activity_id == ref.activity_id), None)
