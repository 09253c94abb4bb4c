"""What tests of the core begin with: an activity whose attempt has asked, and perhaps an answer."""

from ringback.domain.callback import ActivityRef, Attempts, Callback, State
from ringback.domain.outcome import Outcome
from ringback.testing import FakeActivities, MemoryStore
from tests import factories


async def accepted(
    store: MemoryStore,
    activities: FakeActivities,
    outcome: Outcome | None = None,
    *,
    attempts: Attempts = Attempts.ANY,
    follows_reset: bool = False,
) -> Callback:
    ref = factories.activity_ref()
    activities.schedule(ref)
    callback = await asked(store, activities, ref, attempts=attempts, follows_reset=follows_reset)
    await store.accept([factories.answer(callback.id, outcome)])
    return (await store.find([callback.id]))[callback.id]


async def asked(
    store: MemoryStore,
    activities: FakeActivities,
    ref: ActivityRef,
    *,
    attempts: Attempts = Attempts.ANY,
    follows_reset: bool = False,
) -> Callback:
    """Let the attempt that runs ask."""
    wish = factories.wish(
        ref=ref,
        attempt=activities.attempt(ref),
        attempt_started_at=activities.started_at(ref),
        task_token=activities.task_token(ref),
        attempts=attempts,
        follows_reset=follows_reset,
    )
    (callback,) = await store.open([wish])
    return callback


async def found(store: MemoryStore, callback: Callback) -> Callback:
    """Return the callback as it stands."""
    return (await store.find([callback.id]))[callback.id]


async def state_of(store: MemoryStore, callback: Callback) -> State:
    """Return where the callback stands."""
    return (await found(store, callback)).state
