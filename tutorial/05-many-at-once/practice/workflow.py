"""A Workflow that has thirty pictures shrunk at once, by another program."""

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.exceptions import ActivityError, ApplicationError

TASK_QUEUE = "tutorial-05"
WORKFLOW_ID = "tutorial-05-thumbnails"
PICTURES = 30


@activity.defn
async def thumbnail(_picture: int) -> str:
    """Leave the picture to another program."""
    activity.raise_complete_async()


async def shrink(picture: int) -> str:
    """Return the picture's thumbnail, or the reason for its absence."""
    try:
        return await workflow.execute_activity(
            thumbnail,
            picture,
            activity_id=f"picture-{picture}",
            start_to_close_timeout=timedelta(minutes=10),
        )
    except ActivityError as error:
        reason = error.cause.type if isinstance(error.cause, ApplicationError) else error.cause
        return f"none: {reason}"


@workflow.defn
class Thumbnails:
    """Has pictures shrunk."""

    @workflow.run
    async def run(self) -> list[str]:
        """Return a thumbnail for each picture."""
        return await asyncio.gather(*(shrink(picture) for picture in range(PICTURES)))
