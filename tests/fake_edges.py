"""The edges of a gateway in tests and docs: an in-memory store and fakes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ringback.app.edges import Edges
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.domain.errors import TemporalUnreachableError
from ringback.gateway.identity.ways import Cookies, SignInWays
from ringback.instrumentation.prometheus import PrometheusHooks
from ringback.ports.clock import Clock
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, FakeIdentifier
from tests import factories

BASE = "https://ring.example"
LIMIT = 100_000


def fake_edges(store: SqlStore, activities: FakeActivities, clock: Clock, **others: Any) -> Edges:
    """Return edges built from fakes; `others` replace fields of `Edges`."""
    counters = PrometheusHooks("0.1")
    edges = Edges(
        store=store,
        activities=activities,
        heartbeats=activities,
        identifier=FakeIdentifier(activities),
        check_connection=_check(activities),
        namespace="default",
        keyring=factories.keyring(),
        public_url=BASE,
        body_limit=LIMIT,
        polls_per_second=50,
        clock=clock,
        jitter=lambda: 1.0,
        verdicts=VerdictWaiter(store, clock),
        owner="me",
        new_callback_id=factories.callback_id,
        new_outcome_id=factories.outcome_id,
        new_event_id=factories.event_id,
        counters=counters,
        hooks=counters,
        sign_in_ways=SignInWays(cookies=Cookies(BASE)),
    )
    return replace(edges, **others)


def _check(activities: FakeActivities) -> Callable[[], Any]:
    async def check() -> None:
        if not activities.is_reachable:
            msg = "the test made Temporal unreachable"
            raise TemporalUnreachableError(msg)

    return check
