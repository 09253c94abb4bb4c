"""One machine with Temporal, gateways and workers, each a process that a test can stop."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.client import Client, WorkflowHandle

from ringback.app.credentials import ensure_local_keys
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.app.web import bound_socket, served
from ringback.client.target import local_key_path
from ringback.demo.request import CallRequest
from ringback.demo.workflow import TASK_QUEUE, CallService
from ringback.domain.api_key import Role
from ringback.domain.callback import Callback, State
from ringback.ports.store import CallbackQuery
from ringback.settings import Settings
from tests import factories
from tests.acceptance import many_callbacks_worker
from tests.acceptance.many_callbacks_worker import Ask, Questions
from tests.acceptance.programs import (
    LIMIT_SECONDS,
    Program,
    free_port,
    preloaded,
    program,
    temporal_server,
    until_ready,
)
from tests.polling import pause

_CONNECTIONS = 20
NOT_ENDED = frozenset({State.OPEN, State.ACCEPTED})


@dataclass
class FakeService:
    """The service that the activities call: it stores the links that it receives."""

    url: str
    links: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    may_reply: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Reply at once."""
        self.may_reply.set()

    async def receive(self, request: Request) -> Response:
        """Store the link of a request, and accept it."""
        self.links.put_nowait((await request.json())["callback_url"])
        await self.may_reply.wait()
        return JSONResponse({"status": "accepted"})

    async def next_link(self) -> str:
        """Return the path of the next link."""
        async with asyncio.timeout(LIMIT_SECONDS):
            return urlsplit(await self.links.get()).path

    async def next_links(self, count: int) -> list[str]:
        """Return the paths of the next `count` links."""
        return [await self.next_link() for _ in range(count)]


@dataclass
class Site:
    """One machine.

    Attributes:
        data: The data folder of all programs.
        temporal_address: The address of Temporal.
        gateway_port: The port of the first gateway.
        service: The service that the activities call.
        postgresql: The URL of the database; `None` for SQLite in `data`.
        keys: The link keys on PostgreSQL; on SQLite the gateway creates them in `data`.
        namespace: The namespace in Temporal.
        task_queue: The task queue of the worker with many callbacks.
    """

    data: Path
    temporal_address: str
    gateway_port: int
    service: FakeService
    postgresql: str | None = None
    keys: str = field(default_factory=lambda: f"test:{secrets.token_hex(32)}")
    namespace: str = "default"
    task_queue: str = field(default_factory=lambda: f"questions-{uuid4()}")

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every program of the site."""
        return {
            "TEMPORAL_ADDRESS": self.temporal_address,
            "TEMPORAL_NAMESPACE": self.namespace,
            "RINGBACK_DATA": str(self.data),
            "RINGBACK_PUBLIC_URL": self.gateway_url,
            "RINGBACK_URL": self.gateway_url,
            "RINGBACK_DEMO_SERVICE_URL": self.service.url,
            many_callbacks_worker.SERVICE_URL: f"{self.service.url}/request",
            many_callbacks_worker.TASK_QUEUE: self.task_queue,
            **self._store,
        }

    @property
    def _store(self) -> dict[str, str]:
        if self.postgresql is None:
            return {}
        return {"RINGBACK_STORE": self.postgresql, "RINGBACK_KEYS": self.keys}

    @property
    def gateway_url(self) -> str:
        """The URL of the first gateway."""
        return f"http://127.0.0.1:{self.gateway_port}"

    @property
    def worker_key(self) -> str:
        """The API key of workers on this machine, which a gateway created."""
        return local_key_path(self.data, Role.WORKER).read_text().strip()

    @property
    def settings(self) -> Settings:
        """The settings with which the test itself opens the store."""
        store = None if self.postgresql is None else SecretStr(self.postgresql)
        return Settings.model_validate({
            "data": self.data,
            "store": store,
            "public_url": self.gateway_url,
        })

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[AsyncConnection]:
        """Connect to the database directly; commit at the end of the block."""
        url = self.postgresql or f"sqlite:///{self.data / 'ringback.db'}"
        scheme, _, rest = url.partition(":")
        driver = {"sqlite": "aiosqlite", "postgresql": "asyncpg"}[scheme]
        engine = create_async_engine(f"{scheme}+{driver}:{rest}")
        async with engine.begin() as connection:
            yield connection
        await engine.dispose()

    def temporal(self, *options: str) -> AbstractAsyncContextManager[Program]:
        """Run the Temporal server."""
        return temporal_server(self.temporal_address, self.data / "temporal.db", *options)

    @asynccontextmanager
    async def gateway(
        self,
        *,
        temporal: str | None = None,
        port: int | None = None,
        processes: int = 1,
        **environment: str,
    ) -> AsyncIterator[Program]:
        """Run a gateway, by default the first one, and wait until it is ready."""
        port = port or self.gateway_port
        if self.postgresql is not None:
            await self.make_keys()
        async with self.starting_gateway(
            port, "--processes", str(processes), **environment
        ) as running:
            await running.line("ready http")
            await until_ready(f"http://127.0.0.1:{port}", temporal=temporal)
            yield running

    async def make_keys(self) -> None:
        """Create the API keys of the machine; a gateway on SQLite creates its own."""
        async with opened_store(self.settings, SystemClock()) as store:
            await ensure_local_keys(self.data, store)

    def starting_gateway(
        self, port: int, *options: str, **environment: str
    ) -> AbstractAsyncContextManager[Program]:
        """Run a gateway without waiting until it is ready."""
        words = ["serve", "--port", str(port), *options]
        return preloaded(words, self.environment | environment)

    @asynccontextmanager
    async def worker(self, *options: str) -> AsyncIterator[Program]:
        """Run the demo's worker, and wait until it is ready."""
        async with preloaded(["worker", *options], self.environment) as running:
            await running.line("ready worker")
            yield running

    @asynccontextmanager
    async def many_callbacks_worker(self, *, port: int | None = None) -> AsyncIterator[Program]:
        """Run the worker with many callbacks, and wait until it is ready.

        It uses the gateway on `port`, by default the first one.
        """
        words = [sys.executable, "-m", many_callbacks_worker.__name__]
        url = f"http://127.0.0.1:{port or self.gateway_port}"
        async with program(words, self.environment | {"RINGBACK_URL": url}) as running:
            await running.line("ready worker")
            yield running

    async def run(self, *words: str, **environment: str) -> Program:
        """Run a command until it ends."""
        async with preloaded(words, self.environment | environment) as command:
            await command.end()
            return command

    async def client(self) -> Client:
        """Return a Temporal client without the plugin."""
        return await Client.connect(self.temporal_address, namespace=self.namespace)

    async def start_workflow(self, name: str) -> WorkflowHandle[Any, Any]:
        """Start the demo's workflow, which sends one request with a long time to call back."""
        client = await self.client()
        request = CallRequest(time_to_request=0, time_to_callback=60)
        return await client.start_workflow(CallService.run, request, id=name, task_queue=TASK_QUEUE)

    async def ask(self, questions: Questions) -> WorkflowHandle[Any, Any]:
        """Start a workflow that starts many activities at once."""
        client = await self.client()
        return await client.start_workflow(
            Ask.run, questions, id=f"{self.task_queue}-{uuid4()}", task_queue=self.task_queue
        )

    async def handle_of(self, name: str) -> WorkflowHandle[Any, Any]:
        """Return the handle of the workflow with the id `name`."""
        client = await self.client()
        return client.get_workflow_handle(name)

    async def until_submitted(self) -> None:
        """Return once all callbacks have been submitted."""
        await self.until(lambda found: all(callback.submitted_at for callback in found))

    async def until_delivering(self) -> None:
        """Return once the delivery of every outcome has started."""
        await self.until(lambda found: all(tries_of(callback) for callback in found))

    async def until(
        self,
        condition: Callable[[Sequence[Callback]], bool],
        states: frozenset[State] = NOT_ENDED,
    ) -> None:
        """Return once callbacks in these states exist and the condition holds for them."""
        async with opened_store(self.settings, SystemClock()) as store:
            async with asyncio.timeout(LIMIT_SECONDS):
                while True:
                    found = await store.page(CallbackQuery(states=states), after=None, limit=1000)
                    if found and condition(found):
                        return
                    await pause()

    async def callbacks(self, states: frozenset[State] = frozenset(State)) -> Sequence[Callback]:
        """Return all callbacks in these states."""
        async with opened_store(self.settings, SystemClock()) as store:
            return await store.page(CallbackQuery(states=states), after=None, limit=1000)

    async def park(self) -> None:
        """Park the one accepted answer; call it while no gateway runs."""
        async with opened_store(self.settings, SystemClock()) as store:
            (callback,) = await self.callbacks(frozenset({State.ACCEPTED}))
            proof: dict[str, object] = {"reason": "the test parked it"}
            await store.settle([factories.settlement(callback, State.PARKED, proof)])

    async def answer_all(self, answers: Mapping[str, Any]) -> Sequence[httpx2.Response]:
        """Post each answer to its link, over at most 20 connections."""
        limits = httpx2.Limits(max_connections=_CONNECTIONS)
        async with httpx2.AsyncClient(
            base_url=self.gateway_url, timeout=None, limits=limits
        ) as http:
            posts = (http.post(link, json=answer) for link, answer in answers.items())
            return await asyncio.gather(*posts)

    async def post(
        self, path: str, json: object, *, port: int | None = None, **headers: str
    ) -> httpx2.Response:
        """Post to a gateway over HTTP, by default to the first one."""
        url = f"http://127.0.0.1:{port or self.gateway_port}"
        async with httpx2.AsyncClient(base_url=url, timeout=30, verify=False) as http:
            return await http.post(path, json=json, headers=headers)


def tries_of(callback: Callback) -> int:
    """Return how many deliveries of the callback's outcome have started."""
    return callback.accepted.tries if callback.accepted else 0


@asynccontextmanager
async def site(
    data: Path, *, postgresql: str | None = None, temporal: str | None = None
) -> AsyncIterator[Site]:
    """Build a site whose service the test controls.

    Args:
        data: The data folder of all programs.
        postgresql: The URL of the database; `None` for SQLite in `data`.
        temporal: The address of a running server; without it, the test starts one.
    """
    listening = bound_socket("127.0.0.1", 0)
    service = FakeService(f"http://127.0.0.1:{listening.getsockname()[1]}")
    app = Starlette(routes=[Route("/request", service.receive, methods=["POST"])])
    address = temporal or f"127.0.0.1:{free_port()}"
    async with AsyncExitStack() as stack:
        stack.callback(listening.close)
        await stack.enter_async_context(served(app, listening))
        yield Site(data, address, free_port(), service, postgresql)
