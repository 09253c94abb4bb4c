"""The workflow: it runs one activity, and returns the service's answer."""

from typing import Any, Final

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from ringback.demo.activity import AsyncActivity
    from ringback.demo.request import CallRequest

TASK_QUEUE: Final = "ringback-demo"


@workflow.defn
class CallService:
    """Calls the service once, and waits for its callback."""

    @workflow.run
    async def run(self, request: CallRequest) -> Any:
        """Return the answer, which may be any JSON.

        A cancellation waits until the service has reported it, so that its details arrive.
        """
        return await workflow.execute_activity_method(
            AsyncActivity.run,
            request,
            schedule_to_close_timeout=request.schedule_to_close_timeout,
            heartbeat_timeout=request.heartbeat_timeout,
            retry_policy=RetryPolicy(
                maximum_attempts=request.maximum_attempts,
                non_retryable_error_types=["ServiceRefusedError"],
            ),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
