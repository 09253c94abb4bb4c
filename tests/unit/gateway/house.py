"""A gateway with its operator API, on fakes."""

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from starlette.applications import Starlette

from ringback.app.operator_api import operator_services
from ringback.core.accept import Accepting
from ringback.core.checks import Checks
from ringback.core.deliver import Deliverer
from ringback.core.open import Opening
from ringback.core.service import running
from ringback.core.view import Viewing
from ringback.core.watch import VerdictWaiter
from ringback.domain.api_key import KeyId, Role, digest_secret, to_text
from ringback.domain.callback import ActivityExecution, Callback
from ringback.domain.ids import CallbackId
from ringback.domain.link import Keyring
from ringback.gateway.app import create_app
from ringback.gateway.gateway import Gateway
from ringback.gateway.health import Health, TemporalStatus
from ringback.gateway.unknown_keys import UnknownKeys
from ringback.ports.api_keys import NewKey
from ringback.result_schema.checker import SchemaChecker
from ringback.store.database import Database
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from ringback.testing.fake_identifier import FakeIdentifier
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.keepers import heartbeating
from tests.unit.core.stage import asked

BASE = "https://ring.example"
LIMIT = 100_000
PROBLEM = "application/problem+json"


@dataclass
class House:
    """A gateway, and keys of every role."""

    app: Starlette
    http: httpx2.AsyncClient
    store: SqlStore
    database: InMemoryDatabase
    activities: FakeActivities
    identifier: FakeIdentifier
    clock: ManualClock
    keyring: Keyring
    verdicts: VerdictWaiter

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

    async def asked(self, **asking: Any) -> Callback:
        """Let a Python worker's activity ask."""
        return await asked(self.store, self.activities, self.scheduled(), **asking)

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

    async def now(self, callback_id: str) -> Callback:
        """Return a callback as it stands."""
        return (await self.store.find([CallbackId(callback_id)]))[CallbackId(callback_id)]


def key_of(role: Role) -> str:
    return to_text(KeyId(role.value), f"the secret of the {role.value}")


@asynccontextmanager
async def opened_house(
    make_store: Callable[[Database], SqlStore] = SqlStore,
    make_verdicts: Callable[[], VerdictWaiter] = VerdictWaiter,
) -> AsyncIterator[House]:
    clock = ManualClock()
    with InMemoryDatabase(clock) as database:
        store, verdicts = make_store(database), make_verdicts()
        async with _house_on(database, store, verdicts=verdicts, clock=clock) as house:
            yield house


@asynccontextmanager
async def _house_on(
    database: InMemoryDatabase, store: SqlStore, *, verdicts: VerdictWaiter, clock: ManualClock
) -> AsyncIterator[House]:
    activities = FakeActivities()
    for role in Role:
        digest = digest_secret(f"the secret of the {role.value}")
        await store.add_key(NewKey(KeyId(role.value), role.value, role, digest))
    deliverer = Deliverer(store, activities, verdicts, clock=clock, jitter=lambda: 1.0, owner="me")
    beats = heartbeating(store, activities)
    accepting = Accepting(
        store,
        Checks(store, activities, SchemaChecker()),
        new_outcome_id=factories.outcome_id,
        on_accepted=deliverer.wake,
    )
    keyring = factories.keyring()
    gateway = Gateway(
        keyring=keyring,
        accepting=accepting,
        heartbeating=beats,
        viewing=Viewing(store, activities),
        verdicts=verdicts,
        store=store,
        clock=clock,
        unknown_keys=UnknownKeys(clock),
        public_url=BASE,
        body_limit=LIMIT,
    )
    opening = Opening(store, store, activities)
    identifier = FakeIdentifier(activities)
    services = operator_services(
        gateway,
        store,
        opening=opening,
        identifier=identifier,
        results=SchemaChecker(),
        new_callback_id=factories.callback_id,
        namespace="default",
    )

    async def temporal() -> TemporalStatus:
        is_reachable = activities.is_reachable
        return TemporalStatus.OK if is_reachable else TemporalStatus.UNREACHABLE

    app = create_app(gateway, Health(store, temporal, clock=clock), services)
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        running(opening, deliverer, accepting, beats),
        httpx2.AsyncClient(transport=transport, base_url=BASE) as http,
    ):
        yield House(app, http, store, database, activities, identifier, clock, keyring, verdicts)
