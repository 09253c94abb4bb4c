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
class WorkflowPlan:
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
class PlannedWorkflow:
    """Runs its activities, and stays open however they end."""

    @workflow.run
    async def run(self, plan: WorkflowPlan) -> None:
        await _run_all(plan)
        if plan.repeats:
            await _run_all(plan)
        is_the_first_run = workflow.info().continued_run_id is None
        if plan.continues and is_the_first_run:
            workflow.continue_as_new(plan)
        await workflow.wait_condition(lambda: False)


async def _run_all(plan: WorkflowPlan) -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*(_run(plan, n + 1) for n in range(plan.activities)))


async def _run(plan: WorkflowPlan, number: int) -> None:
    in_all = plan.schedule_to_close
    with suppress(ActivityError):
        await workflow.execute_activity(
            "ask",
            activity_id=str(number),
            task_queue=plan.task_queue,
            start_to_close_timeout=timedelta(seconds=plan.start_to_close),
            schedule_to_close_timeout=None if in_all is None else timedelta(seconds=in_all),
            retry_policy=RetryPolicy(
                maximum_attempts=plan.most_attempts,
                initial_interval=timedelta(seconds=plan.back_off),
                maximum_interval=timedelta(seconds=plan.most_back_off),
            ),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
