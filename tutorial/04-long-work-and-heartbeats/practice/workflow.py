"""A Workflow that has frames rendered, and the Activity that leaves them to another program."""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, CancelledError
from temporalio.workflow import ActivityCancellationType

TASK_QUEUE = "tutorial-04"
WORKFLOW_ID = "tutorial-04-render"
ACTIVITY_ID = "render"


@activity.defn
async def render() -> str:
    """Leave the rendering to another program."""
    activity.logger.info("The frames are rendered elsewhere.")
    activity.raise_complete_async()


@workflow.defn
class Rendering:
    """Has frames rendered."""

    @workflow.run
    async def run(self) -> str:
        """Return what was rendered, or how far it came until it was canceled.

        Raises:
            ActivityError: The Activity failed.
        """
        try:
            return await workflow.execute_activity(
                render,
                activity_id=ACTIVITY_ID,
                start_to_close_timeout=timedelta(minutes=10),
                heartbeat_timeout=timedelta(seconds=2),
                # So that you see what a missed heartbeat does: there is no second attempt.
                retry_policy=RetryPolicy(maximum_attempts=1),
                # So that the Workflow hears how far it came.
                cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
        except ActivityError as error:
            if not isinstance(error.cause, CancelledError):
                raise
            return f"canceled, {error.cause.details[0]}"
