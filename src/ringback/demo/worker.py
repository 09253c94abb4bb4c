"""The worker of the demo: the workflow, and its activity with the service's client injected."""

from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.worker import Worker

from ringback.demo.activity import AsyncActivity, HttpApiGateway
from ringback.demo.steps import OnStep, log_step
from ringback.demo.workflow import TASK_QUEUE, CallService

_GRACE: Final = timedelta(seconds=1)
"""How long a request in flight may take after the worker was stopped."""


def demo_worker(
    client: Client, service_url: str, *, task_queue: str = TASK_QUEUE, on_step: OnStep = log_step
) -> Worker:
    """Return a worker for the demo's workflow.

    Args:
        client: The connection to Temporal, made with a `RingbackPlugin`.
        service_url: The URL of the outside service.
        task_queue: The task queue that the worker polls.
        on_step: Gets each step of the worker.
    """
    activity = AsyncActivity(HttpApiGateway(service_url, on_step), on_step)
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[CallService],
        activities=[activity.run],
        graceful_shutdown_timeout=_GRACE,
    )
