"""The worker of the demo: the workflow, and its activity with the way to the outside injected."""

from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.worker import Worker

from ringback.demo.activity import AsyncActivity
from ringback.demo.http_api_gateway import HttpApiGateway
from ringback.demo.workflow import TASK_QUEUE, CallService

_GRACE: Final = timedelta(seconds=1)
"""How long a request that is under way may take once the worker is to stop."""


def demo_worker(client: Client, service_url: str) -> Worker:
    """Return a worker for `TASK_QUEUE`; `client` was connected with a `RingbackPlugin`.

    Args:
        client: The connection to Temporal.
        service_url: Where the outside service answers.
    """
    activity = AsyncActivity(HttpApiGateway(service_url))
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[CallService],
        activities=[activity.run],
        graceful_shutdown_timeout=_GRACE,
    )
