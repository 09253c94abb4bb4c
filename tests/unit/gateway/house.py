"""A gateway with its operator API, on fakes."""

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from starlette.applications import Starlette

from ringback.app.container import Parts
from ringback.app.edges import Edges
from ringback.app.gateway_app import build_app
from ringback.core.services import run_services
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.domain.api_key import KeyId, Role, digest_secret, to_text
from ringback.domain.callback import ActivityExecution, Callback
from ringback.domain.errors import StoreUnavailableError
from ringback.domain.ids import CallbackId
from ringback.domain.link import Keyring
from ringback.ports.access import NewKey
from ringback.ports.clock import Clock
from ringback.store.database import Database
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from ringback.testing.fake_activities import FakeIdentifier
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.fake_edges import BASE, fake_edges
from tests.unit.core.callbacks import open_callback

PROBLEM = "application/problem+json"


@dataclass
class House:
    """A gateway on fakes, and keys of every role."""

    app: Starlette
    http: httpx2.AsyncClient
    database: InMemoryDatabase
    activities: FakeActivities
    clock: ManualClock
    edges: Edges

    @property
    def store(self) -> SqlStore:
        return self.edges.store

    @property
    def keyring(self) -> Keyring:
        return self.edges.keyring

    @property
    def identifier(self) -> FakeIdentifier:
        assert isinstance(self.edges.identifier, FakeIdentifier)
        return self.edges.identifier

    @property
    def verdicts(self) -> VerdictWaiter:
        return self.edges.verdicts

    async def call(self, role: Role | None, method: str, path: str, **more: Any) -> httpx2.Response:
        """Make a request with a key of this role; of nobody's without one."""
        headers = {} if role is None else {"authorization": f"Bearer {key_of(role)}"}
        headers |= more.pop("headers", {})
        return await self.http.request(method, path, headers=headers, **more)

    async def post(self, path: str, role: Role = Role.OPERATOR, **more: Any) -> httpx2.Response:
        """Post with a key of this role."""
        return await self.call(role, "POST", path, **more)

    async def get(self, path: str, role: Role = Role.OPERATOR, **more: Any) -> httpx2.Response:
        """Get with a key of this role."""
        return await self.call(role, "GET", path, **more)

    async def asked(self, **options: Any) -> Callback:
        """Let a Python worker's activity ask."""
        return await open_callback(self.store, self.activities, self.scheduled(), **options)

    def scheduled(self) -> ActivityExecution:
        """Let a foreign worker's activity run, which has not asked yet."""
        ref = factories.activity_ref()
        self.activities.schedule(ref)
        self.identifier.known.append(ref)
        return ref

    def naming(self, ref: ActivityExecution) -> dict[str, Any]:
        """Return how the worker of the attempt that runs names it."""
        return {
            "namespace": ref.namespace,
            "workflow_id": ref.workflow_id,
            "run_id": ref.run_id,
            "activity_id": ref.activity_id,
            "attempt": self.activities.attempt(ref),
            "task_token": base64.b64encode(self.activities.task_token(ref)).decode(),
        }

    async def open(self, ref: ActivityExecution, **options: Any) -> httpx2.Response:
        """Open a callback as the activity's worker does."""
        body = {"activity": self.naming(ref), "options": options}
        return await self.post("/v1/callbacks", Role.WORKER, json=body)

    async def found(self, callback_id: str) -> Callback:
        """Return the current version of a callback."""
        return (await self.store.find([CallbackId(callback_id)]))[CallbackId(callback_id)]


def key_of(role: Role) -> str:
    return to_text(KeyId(role.value), f"the secret of the {role.value}")


@asynccontextmanager
async def opened_house(
    make_store: Callable[[Database], SqlStore] = SqlStore,
    make_verdicts: Callable[[SqlStore, Clock], VerdictWaiter] = VerdictWaiter,
    **edges: Any,
) -> AsyncIterator[House]:
    """Open a gateway on fakes; `edges` replaces fields of `Edges`."""
    clock, activities = ManualClock(), FakeActivities()
    with InMemoryDatabase(clock) as database:
        store = make_store(database)
        await add_keys(store)
        verdicts = make_verdicts(store, clock)
        parts = Parts(fake_edges(store, activities, clock, verdicts=verdicts, **edges))
        app = build_app(parts)
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with (
            run_services(
                parts.opener,
                parts.deliverer,
                parts.answer_service,
                parts.heartbeat_service,
                parts.event_service,
                parts.inbox_feed,
                parts.gauges,
            ),
            httpx2.AsyncClient(transport=transport, base_url=BASE) as http,
        ):
            yield House(app, http, database, activities, clock, parts.edges)


class FullStore(SqlStore):
    """A store on a full disk: reads work."""

    async def check_write(self) -> None:
        msg = "the disk is full"
        raise StoreUnavailableError(msg)


async def add_keys(store: SqlStore) -> None:
    """Add an API key of every role."""
    for role in Role:
        digest = digest_secret(f"the secret of the {role.value}")
        await store.add_key(NewKey(KeyId(role.value), role.value, role, digest))
