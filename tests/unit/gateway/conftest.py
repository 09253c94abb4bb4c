"""A gateway over HTTP, on a store in memory, with a callback that waits."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import httpx2
import pytest
from starlette.applications import Starlette

from ringback.core.accept import Accepting
from ringback.core.checks import Checks
from ringback.core.deliver import Deliverer
from ringback.core.service import running
from ringback.core.view import Viewing
from ringback.core.watch import VerdictWaiter
from ringback.domain.callback import Callback
from ringback.domain.ids import OutcomeId
from ringback.domain.link import ALL_VERBS, Keyring, Link, Verb
from ringback.gateway.app import create_app
from ringback.gateway.gateway import Gateway
from ringback.gateway.health import Health, TemporalStatus
from ringback.gateway.unknown_keys import UnknownKeys
from ringback.store.sql_store import SqlStore
from ringback.testing import ExactResults, FakeActivities, ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.factories import NOW
from tests.keepers import heartbeating
from tests.unit.core.stage import asked

BASE = "https://ring.example"
LIMIT = 1000


@dataclass
class House:
    """A gateway with a callback that waits."""

    app: Starlette
    http: httpx2.AsyncClient
    store: SqlStore
    database: InMemoryDatabase
    activities: FakeActivities
    clock: ManualClock
    keyring: Keyring
    callback: Callback

    def path(
        self, *, verbs: frozenset[Verb] = ALL_VERBS, expires_in: timedelta = timedelta(days=1)
    ) -> str:
        link = Link(self.callback.id, verbs, NOW + expires_in, "k1")
        return f"/c/{self.keyring.sign(link)}"

    async def now(self) -> Callback:
        return (await self.store.find([self.callback.id]))[self.callback.id]


@pytest.fixture
async def house(database: InMemoryDatabase, clock: ManualClock) -> AsyncIterator[House]:
    store, activities, verdicts = SqlStore(database), FakeActivities(), VerdictWaiter()
    deliverer = Deliverer(store, activities, verdicts, clock=clock, jitter=lambda: 1.0, owner="me")
    numbers = iter(range(10_000))
    accepting = Accepting(
        store,
        Checks(store, activities, ExactResults()),
        new_outcome_id=lambda: OutcomeId(f"oc_{next(numbers)}"),
        on_accepted=deliverer.wake,
    )
    keyring = factories.keyring()
    signs = heartbeating(store, activities)
    gateway = Gateway(
        keyring=keyring,
        accepting=accepting,
        heartbeating=signs,
        viewing=Viewing(store, activities),
        verdicts=verdicts,
        store=store,
        clock=clock,
        unknown_keys=UnknownKeys(clock),
        public_url=BASE,
        body_limit=LIMIT,
    )

    async def temporal() -> TemporalStatus:
        is_reachable = activities.is_reachable
        return TemporalStatus.OK if is_reachable else TemporalStatus.UNREACHABLE

    app = create_app(gateway, Health(store, temporal, clock=clock))
    ref = factories.activity_ref()
    activities.schedule(ref)
    callback = await asked(store, activities, ref)
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        running(deliverer, accepting, signs),
        httpx2.AsyncClient(transport=transport, base_url=BASE) as http,
    ):
        yield House(app, http, store, database, activities, clock, keyring, callback)
