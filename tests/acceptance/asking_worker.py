"""A worker whose workflow asks many questions at once, each an activity that waits to be answered.

Run as a program: `python -m tests.acceptance.asking_worker`.
"""

import asyncio
import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, cast

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError
from temporalio.worker import Worker

from ringback import Callback, RingbackPlugin, wait_for_callback

with workflow.unsafe.imports_passed_through():
    import httpx2

    from ringback.app.exits import run_command
    from ringback.app.program import run, stop_requested
    from ringback.app.workers import working
    from ringback.temporal.connect import connect

TASK_QUEUE: Final = "RINGBACK_TEST_TASK_QUEUE"
OUTSIDE: Final = "RINGBACK_TEST_OUTSIDE"

_ANY_JSON: Final = cast("type[Any]", Any)


@dataclass
class Questions:
    """How many to ask, and for how long they stay open.

    Attributes:
        count: How many, all at once.
        seconds: When Temporal times each of them out.
        deadline: When each gets its default answer; 0 for none.
    """

    count: int = 1
    seconds: float = 120
    deadline: float = 0


@activity.defn
async def ask(questions: Questions) -> Any:
    """Ask the outside, and end with its answer."""

    async def submit(callback: Callback) -> None:
        async with httpx2.AsyncClient() as http:
            body = {"callback_url": callback.url}
            (await http.post(os.environ[OUTSIDE], json=body)).raise_for_status()

    deadline = timedelta(seconds=questions.deadline) if questions.deadline else None
    return await wait_for_callback(submit, _ANY_JSON, deadline=deadline)


@workflow.defn
class Ask:
    """Asks, and returns how each activity ended."""

    @workflow.run
    async def run(self, questions: Questions) -> list[Any]:
        """Return what was answered, in the order of the questions."""
        ends = (_end_of(questions) for _ in range(questions.count))
        return list(await asyncio.gather(*ends))


async def _end_of(questions: Questions) -> Any:
    try:
        return await workflow.execute_activity(
            ask,
            questions,
            schedule_to_close_timeout=timedelta(seconds=questions.seconds),
            retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=1)),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
    except ActivityError as exc:
        match exc.cause:
            case ApplicationError() as failure:
                return {"failed": failure.message}
            case CancelledError():
                return {"canceled": list(exc.cause.details)}
            case _:
                raise


async def main() -> None:
    """Work until stopped."""
    client = await connect(RingbackPlugin())
    queue = os.environ[TASK_QUEUE]
    async with working(Worker(client, task_queue=queue, workflows=[Ask], activities=[ask])):
        print("ready worker", flush=True)  # noqa: T201 - who started it waits for this
        await stop_requested()


if __name__ == "__main__":
    run_command(lambda: run(main()))
