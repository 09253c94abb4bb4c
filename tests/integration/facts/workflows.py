"""Workflows that ask, configured by their input."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.workflow import ActivityCancellationType


@dataclass(frozen=True)
class Asking:
    """How the activity is run; durations are in seconds."""

    activity: str = "ask"
    activity_id: str | None = None
    task_queue: str | None = None
    start_to_close: float = 60
    schedule_to_close: float | None = None
    heartbeat: float | None = None
    maximum_attempts: int = 0
    back_off: float = 60
    non_retryable: Sequence[str] = ()
    cancellation: ActivityCancellationType = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED


@workflow.defn
class Ask:
    """Asks, and returns the answer."""

    @workflow.run
    async def run(self, asking: Asking) -> Any:
        return await _ask(asking)


@workflow.defn
class AskAndStay:
    """Asks, and stays open however that ended."""

    @workflow.run
    async def run(self, asking: Asking) -> None:
        try:
            await _ask(asking)
        except ActivityError:
            workflow.logger.debug("the activity has ended without a result")
        await workflow.wait_condition(lambda: False)


@workflow.defn
class AskTwice:
    """Asks twice in one run."""

    @workflow.run
    async def run(self, asking: Asking) -> list[Any]:
        return [await _ask(asking), await _ask(asking)]


@workflow.defn
class AskInTwoRuns:
    """Asks, continues as new, and asks again."""

    @workflow.run
    async def run(self, asking: Asking) -> Any:
        answer = await _ask(asking)
        if workflow.info().continued_run_id is None:
            workflow.continue_as_new(asking)
        return answer


@workflow.defn
class AskHere:
    """Asks a local activity."""

    @workflow.run
    async def run(self, asking: Asking) -> Any:
        return await workflow.execute_local_activity(
            asking.activity, start_to_close_timeout=timedelta(seconds=asking.start_to_close)
        )


@workflow.defn
class AskForANumber:
    """Asks for an `int`, and for nothing else."""

    @workflow.run
    async def run(self, asking: Asking) -> int:
        number: int = await workflow.execute_activity(
            asking.activity,
            result_type=int,
            start_to_close_timeout=timedelta(seconds=asking.start_to_close),
        )
        return number


ALL = (Ask, AskAndStay, AskTwice, AskInTwoRuns, AskHere, AskForANumber)


async def _ask(asking: Asking) -> Any:
    return await workflow.execute_activity(
        asking.activity,
        activity_id=asking.activity_id,
        task_queue=asking.task_queue,
        start_to_close_timeout=timedelta(seconds=asking.start_to_close),
        schedule_to_close_timeout=_seconds(asking.schedule_to_close),
        heartbeat_timeout=_seconds(asking.heartbeat),
        retry_policy=RetryPolicy(
            maximum_attempts=asking.maximum_attempts,
            initial_interval=timedelta(seconds=asking.back_off),
            maximum_interval=timedelta(seconds=max(asking.back_off, 1)),
            non_retryable_error_types=list(asking.non_retryable),
        ),
        cancellation_type=asking.cancellation,
    )


def _seconds(value: float | None) -> timedelta | None:
    return None if value is None else timedelta(seconds=value)
