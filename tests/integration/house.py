"""A worker and a gateway around a real Temporal server, in this process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx2
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from ringback import RingbackPlugin
from ringback.app.compose import running_gateway
from ringback.settings import Settings
from ringback.worker.callback import Callback
from tests.integration.workflows import Run, RunActivity, RunAndContinue, RunTwiceWithOneId


@dataclass
class Outside:
    """The outside party: it is given callbacks, and keeps them."""

    loop: asyncio.AbstractEventLoop
    given: asyncio.Queue[Callback] = field(default_factory=asyncio.Queue)

    async def submit(self, callback: Callback) -> None:
        """Take the callback, as a service would."""
        self.given.put_nowait(callback)

    def submit_in_a_thread(self, callback: Callback) -> None:
        """Take the callback from another thread."""
        self.loop.call_soon_threadsafe(self.given.put_nowait, callback)

    async def next(self) -> Callback:
        """Return the next callback that was given."""
        async with asyncio.timeout(15):
            return await self.given.get()


@dataclass
class House:
    """What a test needs to ask, to answer and to look."""

    client: Client
    settings: Settings
    task_queue: str
    http: httpx2.AsyncClient
    outside: Outside

    async def start(self, run: Run, workflow: Any = RunActivity) -> WorkflowHandle[Any, Any]:
        """Start the workflow that runs the activity."""
        return await self.client.start_workflow(
            workflow.run,
            run,
            id=f"{self.task_queue}-workflow",
            task_queue=self.task_queue,
            execution_timeout=timedelta(seconds=60),
        )

    async def answer(
        self, callback: Callback, result: Any = "the answer", *, verb: str = "", wait: int = 10
    ) -> httpx2.Response:
        """Answer, and wait until it was applied."""
        return await self.http.post(
            f"{path_of(callback)}{verb}", json=result, headers={"prefer": f"wait={wait}"}
        )


def path_of(callback: Callback) -> str:
    """Return the path of the callback's link."""
    return urlsplit(callback.url).path


@asynccontextmanager
async def worker(
    address: str, settings: Settings, task_queue: str, *, activities: Sequence[Callable[..., Any]]
) -> AsyncIterator[Client]:
    """Run a worker for the block."""
    client = await Client.connect(address, plugins=[RingbackPlugin(settings)])
    with ThreadPoolExecutor(4) as threads:
        async with Worker(
            client,
            task_queue=task_queue,
            workflows=[RunActivity, RunAndContinue, RunTwiceWithOneId],
            activities=activities,
            activity_executor=threads,
        ):
            yield client


@asynccontextmanager
async def gateway(address: str, settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """Run a gateway for the block; yield a client of it."""
    async with AsyncExitStack() as stack:
        client = await Client.connect(address, lazy=True)
        gateway = await stack.enter_async_context(running_gateway(client, settings))
        transport = httpx2.ASGITransport(app=gateway.app)
        yield await stack.enter_async_context(
            httpx2.AsyncClient(transport=transport, base_url=settings.base_url, timeout=30)
        )
