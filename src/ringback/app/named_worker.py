"""The worker of the activities that workflows in any language call by name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.worker import Worker

from ringback.app.bootstrap import working
from ringback.app.credentials import opened_link_sender
from ringback.app.system import SystemClock
from ringback.notify.webhook import TIMEOUT
from ringback.settings import Settings
from ringback.worker.named_activities import NamedActivities

_GRACE: Final = TIMEOUT + timedelta(seconds=2)
"""How long a POST in flight may take after the worker was stopped."""


@asynccontextmanager
async def serving_named_activities(
    client: Client, settings: Settings, *, task_queue: str
) -> AsyncIterator[None]:
    """Run `ringback.ask`, `ringback.wait` and `ringback.event` on `task_queue` for the block.

    Args:
        client: The connection to Temporal, made with a `RingbackPlugin`.
        settings: They name the webhook secrets that sign the links of `ringback.wait`.
        task_queue: The task queue that the worker polls.

    Raises:
        ConfigurationError: A webhook secret cannot be used, or the gateway's namespace differs.
        GatewayUnavailableError: The gateway cannot be reached.
        GatewayRefusedError: The gateway rejects the API key.
    """
    async with opened_link_sender(settings, SystemClock()) as sender:
        worker = Worker(
            client,
            task_queue=task_queue,
            activities=[NamedActivities(sender).run],
            graceful_shutdown_timeout=_GRACE,
        )
        async with working(worker):
            yield
