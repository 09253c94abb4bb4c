"""A worker and a gateway around a real Temporal server, in this process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import httpx2
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from ringback import RingbackPlugin
from ringback.app.bootstrap import RunningGateway, edges_of, running_gateway, stop_waiting
from ringback.app.container import Parts
from ringback.app.credentials import ensure_local_keys
from ringback.app.gateway_app import build_app
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.app.web import bound_socket, free_ports, served
from ringback.client.target import local_key_path
from ringback.core.services import run_services
from ringback.domain.api_key import Role
from ringback.ports.clock import Clock
from ringback.settings import Settings
from ringback.store.migrate import upgrade
from ringback.store.sqlite import SqliteDatabase
from ringback.worker.callback import Callback
from tests.integration.workflows import Run, RunActivity, RunAndContinue, RunTwiceWithOneId
from tests.polling import pause

DATABASE = "ringback.db"
MINUTE = timedelta(minutes=1)
GRACE = timedelta(seconds=2)
"""How long an activity may take to end once its worker stops.

A worker that cancels an activity while it stops sometimes never ends its shutdown, though the
server has replied to all its calls (temporalio 1.35).
"""


@dataclass
class FakeService:
    """The service that the activities call: it stores the callbacks that it receives.

    Attributes:
        loop: The test's event loop.
        given: The callbacks that it received.
        released: Set by a test to let an activity's `submit` go on.
    """

    loop: asyncio.AbstractEventLoop
    given: asyncio.Queue[Callback] = field(default_factory=asyncio.Queue)
    released: asyncio.Event = field(default_factory=asyncio.Event)

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
class Env:
    """What a test needs to ask, to answer and to look."""

    client: Client
    settings: Settings
    task_queue: str
    http: httpx2.AsyncClient
    service: FakeService

    async def start(
        self, run: Run, workflow: Any = RunActivity, *, within: timedelta = MINUTE
    ) -> WorkflowHandle[Any, Any]:
        """Start the workflow that runs the activity."""
        return await self.client.start_workflow(
            workflow.run,
            run,
            id=f"{self.task_queue}-workflow",
            task_queue=self.task_queue,
            execution_timeout=within,
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
    """Run a worker for the block; its gateway runs already."""
    client = await Client.connect(address, plugins=[plugin_for(settings)])
    with ThreadPoolExecutor(4) as threads:
        async with Worker(
            client,
            task_queue=task_queue,
            workflows=[RunActivity, RunAndContinue, RunTwiceWithOneId],
            workflow_runner=UnsandboxedWorkflowRunner(),
            activities=activities,
            activity_executor=threads,
            graceful_shutdown_timeout=GRACE,
        ):
            yield client


@asynccontextmanager
async def gateway(
    address: str, settings: Settings, *, namespace: str = "default", clock: Clock | None = None
) -> AsyncIterator[httpx2.AsyncClient]:
    """Run a gateway at the public URL of `settings` for the block; yield a client of it."""
    async with AsyncExitStack() as stack:
        client = await Client.connect(address, namespace=namespace, lazy=True)
        gateway = await stack.enter_async_context(
            running_gateway(client, settings, clock=clock or SystemClock())
        )
        await serve_at(stack, gateway, settings)
        yield await stack.enter_async_context(
            httpx2.AsyncClient(base_url=settings.base_url, timeout=30, verify=False)
        )


@asynccontextmanager
async def gateway_without_deliverer(
    address: str, settings: Settings
) -> AsyncIterator[httpx2.AsyncClient]:
    """Run a gateway that accepts answers and never claims one; yield a client of it.

    A gateway that cannot reach Temporal is not enough: while it tries to deliver an answer, it
    holds the claim, and an attempt that opens the callback just then is not given the answer.
    """
    async with AsyncExitStack() as stack:
        client = await Client.connect(address, lazy=True)
        store = await stack.enter_async_context(opened_store(settings, SystemClock()))
        await ensure_local_keys(settings.data, store)
        edges = edges_of(client, settings, store)
        parts = Parts(edges)
        await stack.enter_async_context(
            run_services(*edges.services, parts.opener, parts.answer_service)
        )
        gateway = RunningGateway(build_app(parts), partial(stop_waiting, parts), parts.metrics)
        await serve_at(stack, gateway, settings)
        yield await stack.enter_async_context(
            httpx2.AsyncClient(base_url=settings.base_url, timeout=30, verify=False)
        )


async def serve_at(stack: AsyncExitStack, gateway: RunningGateway, settings: Settings) -> None:
    """Serve `gateway` at the public URL of `settings` until `stack` is closed."""
    listening = bound_socket("127.0.0.1", settings.public_url.port or 0)
    await stack.enter_async_context(served(gateway.app, listening, on_stop=gateway.stop_waiting))


def settings_in(folder: Path, **more: Any) -> Settings:
    """Return the settings of a gateway with its data in `folder`, on a port that is free now."""
    settings = Settings(data=folder, public_url=f"http://127.0.0.1:{free_ports(1)[0]}", **more)
    database = folder / DATABASE
    if settings.store is None and not database.exists():
        database.write_bytes(_migrated_database())
    return settings


@cache
def _migrated_database() -> bytes:
    """Return a SQLite file with the newest schema: to migrate takes 0.1 s of CPU each time."""
    with TemporaryDirectory() as folder, ThreadPoolExecutor(1) as thread:
        # A thread has no running event loop.
        thread.submit(asyncio.run, _migrate(Path(folder) / DATABASE)).result()
        return (Path(folder) / DATABASE).read_bytes()


async def _migrate(path: Path) -> None:
    database = SqliteDatabase(path, SystemClock())
    await upgrade(database)
    await database.close()


def plugin_for(settings: Settings) -> RingbackPlugin:
    """Return the plugin of a worker on the machine of the gateway of `settings`."""
    key = local_key_path(settings.data, Role.WORKER).read_text()
    return RingbackPlugin(url=settings.base_url, api_key=key.strip())


async def between_attempts(handle: Any) -> None:
    """Return once the activity is in back-off."""
    state = PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    async with asyncio.timeout(15):
        while True:
            (pending,) = (await handle.describe()).raw_description.pending_activities
            if pending.state == state and pending.attempt > 1:
                return
            await pause()
