"""Builders of the core's tests: open a callback for a running attempt, and perhaps answer it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ringback.core.delivery import Deliverer
from ringback.core.services import run_services
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.domain.callback import ActivityExecution, Callback, State
from ringback.domain.outcome import Outcome
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from tests import factories
from tests.loops import idle


async def open_and_answer(
    store: SqlStore,
    activities: FakeActivities,
    outcome: Outcome | None = None,
    **options: Any,
) -> Callback:
    """Open a callback for a new activity, and accept an answer."""
    ref = factories.activity_ref()
    activities.schedule(ref)
    callback = await open_callback(store, activities, ref, **options)
    await store.accept([factories.answer(callback.id, outcome)])
    return (await store.find([callback.id]))[callback.id]


async def open_callback(
    store: SqlStore,
    activities: FakeActivities,
    ref: ActivityExecution,
    **options: Any,
) -> Callback:
    """Open a callback for the running attempt; `options` are those of `factories.request`."""
    request = factories.request(
        ref=ref,
        attempt=activities.attempt(ref),
        attempt_started_at=activities.started_at(ref),
        task_token=activities.task_token(ref),
        **options,
    )
    (callback,) = await store.open([request])
    return callback


async def reload(store: SqlStore, callback: Callback) -> Callback:
    """Return the callback's current version."""
    return (await store.find([callback.id]))[callback.id]


async def state_of(store: SqlStore, callback: Callback) -> State:
    """Return the callback's current state."""
    return (await reload(store, callback)).state


@asynccontextmanager
async def running_deliverer(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> AsyncIterator[Deliverer]:
    """Run a deliverer for the block, which begins after its first deliveries."""
    deliverer = Deliverer(
        store, activities, VerdictWaiter(store, clock), clock=clock, jitter=lambda: 1.0, owner="me"
    )
    async with run_services(deliverer):
        await idle()
        yield deliverer
