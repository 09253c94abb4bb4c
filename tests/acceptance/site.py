"""Everything on one machine, each part a process that a test can end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.client import Client, WorkflowHandle

from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.app.web import bound_socket, served
from ringback.demo.request import CallRequest
from ringback.demo.workflow import TASK_QUEUE, CallService
from ringback.domain.callback import Callback, State
from ringback.settings import Settings
from tests.acceptance.programs import (
    Program,
    free_port,
    program,
    ringback,
    temporal_server,
    until_ready,
)


@dataclass
class Outside:
    """The outside service, in the test's hands: it keeps the links that it is given."""

    url: str
    links: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    async def take(self, request: Request) -> Response:
        """Take a request, as a service would."""
        self.links.put_nowait((await request.json())["callback_url"])
        return JSONResponse({"status": "accepted"})

    async def next_link(self) -> str:
        """Return the path of the next link that came."""
        async with asyncio.timeout(30):
            return urlsplit(await self.links.get()).path


@dataclass
class Site:
    """One machine."""

    data: Path
    temporal_port: int
    gateway_port: int
    outside: Outside

    @property
    def environment(self) -> dict[str, str]:
        """What every program of the site is given."""
        return {
            "TEMPORAL_ADDRESS": f"127.0.0.1:{self.temporal_port}",
            "RINGBACK_DATA": str(self.data),
            "RINGBACK_PUBLIC_URL": self.gateway_url,
            "RINGBACK_DEMO_SERVICE_URL": self.outside.url,
        }

    @property
    def gateway_url(self) -> str:
        """Where the gateway answers."""
        return f"http://127.0.0.1:{self.gateway_port}"

    def temporal(self) -> AbstractAsyncContextManager[Program]:
        """Run the Temporal server."""
        return temporal_server(self.temporal_port, self.data / "temporal.db")

    @asynccontextmanager
    async def gateway(self, *, temporal: str | None = None) -> AsyncIterator[Program]:
        """Run the gateway, and wait until it is ready."""
        words = ringback("serve", "--port", str(self.gateway_port))
        async with program(words, self.environment) as running:
            await until_ready(self.gateway_url, temporal=temporal)
            yield running

    @asynccontextmanager
    async def worker(self, *options: str) -> AsyncIterator[Program]:
        """Run the worker, and wait until it is ready."""
        async with program(ringback("worker", *options), self.environment) as running:
            await running.line("ready worker")
            yield running

    async def run(self, *words: str) -> Program:
        """Run a command to its end."""
        async with program(ringback(*words), self.environment) as command:
            await command.end()
            return command

    async def start_workflow(self, name: str) -> WorkflowHandle[Any, Any]:
        """Start the demo's workflow; the outside is asked once and is in no hurry."""
        client = await Client.connect(self.environment["TEMPORAL_ADDRESS"])
        request = CallRequest(time_to_request=0, time_to_callback=60)
        return await client.start_workflow(CallService.run, request, id=name, task_queue=TASK_QUEUE)

    async def handle_of(self, name: str) -> WorkflowHandle[Any, Any]:
        """Return the workflow that was started under `name`."""
        client = await Client.connect(self.environment["TEMPORAL_ADDRESS"])
        return client.get_workflow_handle(name)

    async def until_submitted(self) -> None:
        """Return once the only callback was submitted."""
        await self._until(lambda callback: callback.submitted_at is not None)

    async def until_delivering(self) -> None:
        """Return once a delivery of the only callback's outcome was begun."""
        await self._until(lambda callback: bool(callback.accepted and callback.accepted.tries))

    async def _until(self, is_so: Callable[[Callback], bool]) -> None:
        states = frozenset({State.OPEN, State.ACCEPTED})
        async with opened_store(Settings(data=self.data), SystemClock()) as store:
            async with asyncio.timeout(30):
                while True:
                    found = await store.page(states=states, after=None, limit=1)
                    if found and is_so(found[0]):
                        return

    async def post(self, path: str, json: object, **headers: str) -> httpx2.Response:
        """Answer through real HTTP."""
        async with httpx2.AsyncClient(base_url=self.gateway_url, timeout=30) as http:
            return await http.post(path, json=json, headers=headers)


@asynccontextmanager
async def site(data: Path) -> AsyncIterator[Site]:
    """Build a site whose outside is in the test's hands."""
    listening = bound_socket("127.0.0.1", 0)
    outside = Outside(f"http://127.0.0.1:{listening.getsockname()[1]}")
    app = Starlette(routes=[Route("/request", outside.take, methods=["POST"])])
    async with AsyncExitStack() as stack:
        stack.callback(listening.close)
        await stack.enter_async_context(served(app, listening))
        yield Site(data, free_port(), free_port(), outside)
