"""The workflow of a scene.

It imports nothing of Ringback: the SDK imports the modules of a workflow again for each run, and
with all that the stage imports that took a second of computing each time.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.workflow import ActivityCancellationType


@dataclass(frozen=True)
class Playing:
    """A plan, as a workflow is given it; durations are in seconds."""

    activities: int
    task_queue: str
    back_off: float
    most_back_off: float
    most_attempts: int
    start_to_close: float
    schedule_to_close: float | None
    repeats: bool
    continues: bool


@workflow.defn
class Play:
    """Runs its activities, and stays open however they end."""

    @workflow.run
    async def run(self, playing: Playing) -> None:
        await _run_all(playing)
        if playing.repeats:
            await _run_all(playing)
        is_the_first_run = workflow.info().continued_run_id is None
        if playing.continues and is_the_first_run:
            workflow.continue_as_new(playing)
        await workflow.wait_condition(lambda: False)


async def _run_all(playing: Playing) -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*(_run(playing, n + 1) for n in range(playing.activities)))


async def _run(playing: Playing, number: int) -> None:
    in_all = playing.schedule_to_close
    with suppress(ActivityError):
        await workflow.execute_activity(
            "ask",
            activity_id=str(number),
            task_queue=playing.task_queue,
            start_to_close_timeout=timedelta(seconds=playing.start_to_close),
            schedule_to_close_timeout=None if in_all is None else timedelta(seconds=in_all),
            retry_policy=RetryPolicy(
                maximum_attempts=playing.most_attempts,
                initial_interval=timedelta(seconds=playing.back_off),
                maximum_interval=timedelta(seconds=playing.most_back_off),
            ),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
