"""A worker whose workflow asks many questions at once, each an activity that waits to be answered.

Run as a program: `python -m tests.acceptance.many_callbacks_worker`.
"""

import os
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Final, cast

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError
from temporalio.worker import Worker

from ringback import Callback, RingbackPlugin, wait_for_callback

with workflow.unsafe.imports_passed_through():
    import httpx2

    from ringback.app.bootstrap import working
    from ringback.app.exits import run_command
    from ringback.app.program import run, stop_requested
    from ringback.temporal.connect import connect

TASK_QUEUE: Final = "RINGBACK_TEST_TASK_QUEUE"
SERVICE_URL: Final = "RINGBACK_TEST_SERVICE_URL"

_ANY_JSON: Final = cast("type[Any]", Any)


@dataclass
class Questions:
    """How many to ask, and for how long they stay open.

    Attributes:
        count: How many, all at once.
        seconds: When Temporal times each of them out.
        deadline: When each gets its default answer; 0 for none.
        heartbeat: The heartbeat timeout, for activities that the gateway keeps alive; 0 for none.
        attempt: When Temporal times out each attempt; 0 for no such timeout.
        resume: Whether each activity continues with its answer: it reports that to the service.
    """

    count: int = 1
    seconds: float = 120
    deadline: float = 0
    heartbeat: float = 0
    attempt: float = 0
    resume: bool = False


@activity.defn
async def ask(questions: Questions) -> Any:
    """Ask the outside, and end with its answer."""
    deadline = timedelta(seconds=questions.deadline) if questions.deadline else None
    answer = await wait_for_callback(
        submit, _ANY_JSON, deadline=deadline, heartbeat="gateway", resume=questions.resume
    )
    if not questions.resume:
        return answer
    await _send(f"/continued/{activity.info().attempt}")
    return {"continued": answer}


async def submit(callback: Callback) -> None:
    """Hand the link to the outside."""
    await _send(callback.url)


async def _send(url: str) -> None:
    reply = await http().post(os.environ[SERVICE_URL], json={"callback_url": url}, timeout=60)
    reply.raise_for_status()


@cache
def http() -> httpx2.AsyncClient:
    """Return the one client of this process: to make one costs more than to ask."""
    return httpx2.AsyncClient(verify=False)


@workflow.defn
class Ask:
    """Asks, and returns how each activity ended."""

    def __init__(self) -> None:
        """Begin with nothing asked."""
        self._asked: list[workflow.ActivityHandle[Any]] = []

    @workflow.run
    async def run(self, questions: Questions) -> list[Any]:
        """Return what was answered, in the order of the questions."""
        self._asked = [_start(questions) for _ in range(questions.count)]
        return [await _end_of(one) for one in self._asked]

    @workflow.signal
    def cancel_all(self) -> None:
        """Ask all activities to cancel; each ends as the outside says all the same."""
        for one in self._asked:
            one.cancel()


def _start(questions: Questions) -> workflow.ActivityHandle[Any]:
    return workflow.start_activity(
        ask,
        questions,
        schedule_to_close_timeout=timedelta(seconds=questions.seconds),
        start_to_close_timeout=timedelta(seconds=questions.attempt) if questions.attempt else None,
        heartbeat_timeout=timedelta(seconds=questions.heartbeat) if questions.heartbeat else None,
        retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=1)),
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    )


async def _end_of(asked: workflow.ActivityHandle[Any]) -> Any:
    try:
        return await asked
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
