"""A whole gateway in the process of a test: the real one, on a store in memory."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from ringback.app.connections import HttpLimits
from ringback.app.container import Parts
from ringback.app.edges import Edges
from ringback.app.gateway_app import build_app
from ringback.app.limited_http import LimitedConfig, LimitedHttpProtocol
from ringback.app.web import bound_socket, url_of
from ringback.client.gateway_client import GatewayClient
from ringback.client.target import Target
from ringback.core.services import Service, run_services
from ringback.domain.api_key import (
    ID_BYTES,
    SECRET_BYTES,
    Role,
    digest_secret,
    new_key_id,
    new_secret,
    to_text,
)
from ringback.domain.errors import Problem
from ringback.domain.link import KEY_BYTES, Keyring
from ringback.ports.access import NewKey
from ringback.ports.clock import Clock
from ringback.result_schema.checker import SchemaChecker
from ringback.result_schema.validate import find_problems, why_unusable
from ringback.sources.config import Source
from ringback.store.sql_store import SqlStore
from ringback.testing.in_memory_database import InMemoryDatabase
from ringback.testing.moments import Moments


@dataclass(frozen=True, kw_only=True)
class KitGateway:
    """A gateway that runs, and clients of it.

    Attributes:
        url: Where it listens, on 127.0.0.1.
        worker_key: The API key of a worker.
        moments: Its application, which lets a test act around `submit`.
        worker: A client with the worker's key, without the network.
        operator: A client with an operator's key, without the network.
        parts: Its services.
    """

    url: str
    worker_key: str = field(repr=False)
    moments: Moments
    worker: GatewayClient
    operator: GatewayClient
    parts: Parts

    @property
    def sources(self) -> dict[str, Source]:
        """The configured sources, by name."""
        return dict(self.parts.edges.sources)


@asynccontextmanager
async def opened_gateway(
    make_edges: Callable[[SqlStore, str], Edges], clock: Clock
) -> AsyncIterator[KitGateway]:
    """Run a gateway with an empty store for the block.

    Args:
        make_edges: Returns what it is built on, given its store and its URL.
        clock: The clock of its store.
    """
    later = _Later()
    moments = Moments(later)
    with InMemoryDatabase(clock) as database:
        store = SqlStore(database)
        async with served_now(moments) as url:
            parts = Parts(make_edges(store, url))
            later.app = build_app(parts)
            moments.on_alias = parts.event_service.wake
            async with run_services(*_services(parts)):
                worker_key = await _add_key(store, Role.WORKER)
                operator_key = await _add_key(store, Role.OPERATOR)
                try:
                    yield KitGateway(
                        url=url,
                        worker_key=worker_key,
                        moments=moments,
                        worker=_client(moments, url, worker_key),
                        operator=_client(moments, url, operator_key),
                        parts=parts,
                    )
                finally:
                    parts.edges.verdicts.stop_waiting()
                    parts.inbox_feed.stop_waiting()


class _Later:
    """An application that is set once its URL is known."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def _services(parts: Parts) -> Sequence[Service]:
    """Return the services of a gateway that neither notifies people nor consumes queues."""
    return [
        *parts.edges.services,
        parts.opener,
        parts.listener,
        parts.inbox_feed,
        parts.notifier,
        parts.deliverer,
        parts.poller,
        parts.keep_alive,
        parts.deadlines,
        parts.poll_requester,
        parts.answer_service,
        parts.event_service,
        parts.heartbeat_service,
    ]


def _client(moments: Moments, url: str, key: str) -> GatewayClient:
    target = Target(url, key, "ringback.testing")
    return GatewayClient(target, transport=httpx2.ASGITransport(app=moments))


async def _add_key(store: SqlStore, role: Role) -> str:
    key_id = new_key_id(secrets.token_bytes(ID_BYTES))
    secret = new_secret(secrets.token_bytes(SECRET_BYTES))
    await store.add_key(NewKey(key_id, f"the {role.value} of a test", role, digest_secret(secret)))
    return to_text(key_id, secret)


def new_keyring() -> Keyring:
    """Return new keys that sign links."""
    return Keyring({"test": secrets.token_bytes(KEY_BYTES)}, signing="test")


class InlineChecker(SchemaChecker):
    """Checks results in the event loop: the schemas of a test are its author's own.

    The gateway's own checker starts a process for each new schema, which takes half a second.
    """

    async def problems(self, schema: str, result: bytes | None) -> Sequence[Problem]:
        """Return what is wrong with a result."""
        return find_problems(schema, result)

    async def why_unusable(self, schema: str) -> str | None:
        """Return why results cannot be checked against `schema`, if they cannot."""
        return why_unusable(schema)


@asynccontextmanager
async def served_now(app: ASGIApp, *, port: int = 0) -> AsyncIterator[str]:
    """Serve `app` for the block, and yield its URL; requests in progress end with the block.

    A gateway's own server looks ten times a second whether it should stop.
    """
    config = LimitedConfig(
        app,
        http=LimitedHttpProtocol,
        ws="none",
        lifespan="off",
        proxy_headers=False,
        access_log=False,
        log_config=None,
        limits=HttpLimits(),
    )
    config.load()
    state = ServerState()

    def protocol() -> asyncio.Protocol:
        return LimitedHttpProtocol(config=config, server_state=state, app_state={})

    with bound_socket("127.0.0.1", port) as listening:
        server = await asyncio.get_running_loop().create_server(protocol, sock=listening)
        try:
            yield url_of(listening)
        finally:
            server.close()
            for task in state.tasks:
                task.cancel()
            if state.tasks:
                await asyncio.wait(state.tasks)
            for connection in list(state.connections):
                connection.transport.abort()
