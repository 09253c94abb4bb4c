"""A Workflow that waits for an answer, and the Activity that asks for it."""

from datetime import timedelta

from temporalio import activity, workflow

TASK_QUEUE = "tutorial-02"
WORKFLOW_ID = "tutorial-02-question"


@activity.defn
async def ask() -> str:
    """Log the Task Token, and leave the answer to another program."""
    # PART A: log the Task Token in hexadecimal.
    # TODO PART A: get the Task Token from activity.info() and log it with activity.logger.info().
    # END PART A
    # PART B: end this function without completing the Activity.
    # TODO PART B: call activity.raise_complete_async() instead of returning.
    return "nobody was asked"
    # END PART B


@workflow.defn
class Question:
    """Asks once."""

    @workflow.run
    async def run(self) -> str:
        """Return the answer."""
        answer = await workflow.execute_activity(ask, start_to_close_timeout=timedelta(seconds=300))
        workflow.logger.info("Workflow completed, result: %s", answer)
        return answer
