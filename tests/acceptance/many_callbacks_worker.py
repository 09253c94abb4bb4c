"""A worker whose workflow starts many activities at once; each waits for a callback.

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
    """How many activities to start, and their timeouts.

    Attributes:
        count: Number of activities, all started at once.
        seconds: The schedule-to-close timeout of each.
        deadline: Seconds until each gets its default answer; 0 for no deadline.
        heartbeat: The heartbeat timeout of activities that the gateway keeps alive; 0 for none.
        attempt: When Temporal times out each attempt; 0 for no such timeout.
        resume: Whether each activity continues with its answer: it reports that to the service.
        poll_every: Seconds between polls of the service, each of which finds its attempt; 0 for no
            polls.
    """

    count: int = 1
    seconds: float = 120
    deadline: float = 0
    heartbeat: float = 0
    attempt: float = 0
    resume: bool = False
    poll_every: float = 0


@activity.defn
async def ask(questions: Questions) -> Any:
    """Submit the link to the service, and return its answer."""
    deadline = timedelta(seconds=questions.deadline) if questions.deadline else None
    answer = await wait_for_callback(
        submit,
        _ANY_JSON,
        deadline=deadline,
        heartbeat="gateway",
        resume=questions.resume,
        poll=poll if questions.poll_every else None,
        poll_every=timedelta(seconds=questions.poll_every) if questions.poll_every else None,
    )
    if not questions.resume:
        return answer
    await _send(f"/continued/{activity.info().attempt}")
    return {"continued": answer}


async def submit(callback: Callback) -> None:
    """Send the link to the service."""
    await _send(callback.url)


async def poll(_: Callback) -> str:
    """Ask the service, which knows the answer."""
    attempt = activity.info().attempt
    await _send(f"/polled/{attempt}")
    return f"found by {attempt}"


async def _send(url: str) -> None:
    reply = await http().post(os.environ[SERVICE_URL], json={"callback_url": url}, timeout=60)
    reply.raise_for_status()


@cache
def http() -> httpx2.AsyncClient:
    """Return the HTTP client of this process; creating one costs more than a request."""
    return httpx2.AsyncClient(verify=False)


@workflow.defn
class Ask:
    """Starts the activities, and returns how each ended."""

    def __init__(self) -> None:
        """Start without activities."""
        self._asked: list[workflow.ActivityHandle[Any]] = []

    @workflow.run
    async def run(self, questions: Questions) -> list[Any]:
        """Return the answers in the order of the activities."""
        self._asked = [_start(questions) for _ in range(questions.count)]
        return [await _end_of(one) for one in self._asked]

    @workflow.signal
    def cancel_all(self) -> None:
        """Request the cancellation of all activities; each still ends as its answer says."""
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
    """Run the worker until it is stopped."""
    client = await connect(RingbackPlugin())
    queue = os.environ[TASK_QUEUE]
    async with working(Worker(client, task_queue=queue, workflows=[Ask], activities=[ask])):
        print("ready worker", flush=True)  # noqa: T201 - the test waits for this line
        await stop_requested()


if __name__ == "__main__":
    run_command(lambda: run(main()))
