"""The workflow: it runs one activity, which calls the service."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from gateways.http_api_gateway import CallRequest


@workflow.defn
class CallService:
    """Calls the service and returns what the activity makes of its callback."""

    @workflow.run
    async def run(self, request: CallRequest) -> str:
        """Run the activity that the worker has under this name: option 1's or option 2's."""
        announced = request.time_to_request + request.time_to_callback
        result: str = await workflow.execute_activity(
            "call_service",
            request,
            result_type=str,
            schedule_to_close_timeout=timedelta(seconds=announced + request.patience),
            # A canceled workflow waits until the activity has reported that it stopped.
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        return result
