"""What tests of the core begin with: an activity whose attempt has asked, and perhaps an answer."""

from typing import Any

from ringback.domain.callback import ActivityExecution, Callback, State
from ringback.domain.outcome import Outcome
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities
from tests import factories


async def accepted(
    store: SqlStore,
    activities: FakeActivities,
    outcome: Outcome | None = None,
    **asking: Any,
) -> Callback:
    """Let an attempt ask, and somebody answer."""
    ref = factories.activity_ref()
    activities.schedule(ref)
    callback = await asked(store, activities, ref, **asking)
    await store.accept([factories.answer(callback.id, outcome)])
    return (await store.find([callback.id]))[callback.id]


async def asked(
    store: SqlStore,
    activities: FakeActivities,
    ref: ActivityExecution,
    **asking: Any,
) -> Callback:
    """Let the attempt that runs ask; `asking` is what `factories.request` takes besides."""
    request = factories.request(
        ref=ref,
        attempt=activities.attempt(ref),
        attempt_started_at=activities.started_at(ref),
        task_token=activities.task_token(ref),
        **asking,
    )
    (callback,) = await store.open([request])
    return callback


async def found(store: SqlStore, callback: Callback) -> Callback:
    """Return the callback as it stands."""
    return (await store.find([callback.id]))[callback.id]


async def state_of(store: SqlStore, callback: Callback) -> State:
    """Return where the callback stands."""
    return (await found(store, callback)).state
