"""One workflow with one activity, configured by its input."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.workflow import ActivityCancellationType


@dataclass
class Run:
    """How to run the activity."""

    activity: str
    start_to_close: float | None = 60
    schedule_to_close: float | None = None
    heartbeat: float | None = None
    attempts: int = 1
    back_off: float = 0.2
    activity_id: str | None = None
    times: int = 1
    is_local: bool = False
    argument: str | None = None


def _seconds(value: float | None) -> timedelta | None:
    return None if value is None else timedelta(seconds=value)


@workflow.defn
class RunActivity:
    """Runs the activity and returns its last result, whatever it is."""

    @workflow.signal
    def step(self) -> None:
        """Take a step, so that there is one to reset to."""

    @workflow.run
    async def run(self, run: Run) -> Any:
        result: Any = None
        for _ in range(run.times):
            result = await (_local(run) if run.is_local else _remote(run))
        return result


@workflow.defn
class RunAndContinue:
    """Runs the activity in one run, and again in the run that it continues as."""

    @workflow.run
    async def run(self, run: Run) -> Any:
        try:
            result = await _remote(run)
        except ActivityError:
            result = "ended"
        if run.times > 1:
            workflow.continue_as_new(replace(run, times=run.times - 1))
        return result


@workflow.defn
class RunTwiceWithOneId:
    """Runs the activity again under the same id after it timed out."""

    @workflow.run
    async def run(self, run: Run) -> list[Any]:
        results: list[Any] = []
        for _ in range(2):
            try:
                results.append(await _remote(run))
            except Exception:  # noqa: BLE001 - whatever ended it
                results.append("ended")
        return results


async def _remote(run: Run) -> Any:
    return await workflow.execute_activity(
        run.activity,
        args=[] if run.argument is None else [run.argument],
        activity_id=run.activity_id,
        start_to_close_timeout=_seconds(run.start_to_close),
        schedule_to_close_timeout=_seconds(run.schedule_to_close),
        heartbeat_timeout=_seconds(run.heartbeat),
        retry_policy=RetryPolicy(
            maximum_attempts=run.attempts, initial_interval=timedelta(seconds=run.back_off)
        ),
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    )


async def _local(run: Run) -> Any:
    return await workflow.execute_local_activity(
        run.activity,
        start_to_close_timeout=_seconds(run.start_to_close),
        retry_policy=RetryPolicy(maximum_attempts=run.attempts),
    )
