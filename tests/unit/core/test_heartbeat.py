"""A heartbeat reaches Temporal, or its sender is told why not."""

from collections.abc import Sequence

import pytest

from ringback.core.heartbeat import Heartbeating
from ringback.domain.callback import Callback, State
from ringback.domain.errors import (
    ExpiredCallbackError,
    TemporalUnreachableError,
    UnknownCallbackError,
)
from ringback.ports.activities import LastFailure
from ringback.ports.store import Expiry
from ringback.testing import FakeActivities, ManualClock, MemoryStore
from tests import factories


@pytest.fixture
def heartbeating(store: MemoryStore, activities: FakeActivities) -> Heartbeating:
    return Heartbeating(store, activities)


@pytest.fixture
async def callback(store: MemoryStore, activities: FakeActivities) -> Callback:
    (callback,) = await store.open([factories.wish(timeout_at=factories.NOW)])
    activities.schedule(callback.ref)
    return callback


async def test_a_heartbeat_is_recorded_and_tells_the_deadline(
    heartbeating: Heartbeating, activities: FakeActivities, callback: Callback
) -> None:
    sign = await heartbeating.heartbeat(callback.id, b"1")

    assert activities.heartbeats == [(callback.ref, b"1")]
    assert sign.deadline_at == factories.NOW


async def test_between_two_attempts_the_next_heartbeat_is_asked_for(
    heartbeating: Heartbeating, store: MemoryStore, activities: FakeActivities, callback: Callback
) -> None:
    activities.back_off(callback.ref, LastFailure("timeout", "", None))

    with pytest.raises(TemporalUnreachableError, match="between two attempts"):
        await heartbeating.heartbeat(callback.id, None)

    assert (await store.find([callback.id]))[callback.id].state is State.OPEN


async def test_a_heartbeat_to_an_ended_activity_closes_the_callback(
    heartbeating: Heartbeating, store: MemoryStore, activities: FakeActivities, callback: Callback
) -> None:
    activities.end(callback.ref, how="timed out")

    for _ in range(2):
        with pytest.raises(ExpiredCallbackError, match="timed out"):
            await heartbeating.heartbeat(callback.id, None)

    assert (await store.find([callback.id]))[callback.id].state is State.EXPIRED


async def test_an_answer_that_came_meanwhile_is_what_the_sender_is_told(
    heartbeating: Heartbeating, store: MemoryStore, callback: Callback
) -> None:
    await store.accept([factories.answer(callback.id)])

    with pytest.raises(ExpiredCallbackError, match="answered"):
        await heartbeating.heartbeat(callback.id, None)


async def test_a_heartbeat_to_nothing_is_unknown(heartbeating: Heartbeating) -> None:
    with pytest.raises(UnknownCallbackError):
        await heartbeating.heartbeat(factories.callback_id(), None)


async def test_a_heartbeat_to_an_activity_whose_id_came_back_does_not_reach_the_new_one(
    heartbeating: Heartbeating, store: MemoryStore, activities: FakeActivities
) -> None:
    ref = factories.activity_ref(activity_id="approve")
    (callback,) = await store.open([factories.wish(ref=ref)])
    activities.schedule(ref)
    await heartbeating.heartbeat(callback.id, b"1")
    activities.end(ref, how="timed out")
    activities.schedule(factories.activity_ref(activity_id="approve"))

    with pytest.raises(ExpiredCallbackError, match="timed out"):
        await heartbeating.heartbeat(callback.id, b"2")

    assert activities.heartbeats == [(ref, b"1")]


async def test_a_temporal_that_knows_nothing_of_the_activity_closes_no_callback(
    heartbeating: Heartbeating, store: MemoryStore
) -> None:
    """It may be another server for a while."""
    (callback,) = await store.open([factories.wish()])

    with pytest.raises(TemporalUnreachableError, match="does not know"):
        await heartbeating.heartbeat(callback.id, None)

    assert (await store.find([callback.id]))[callback.id].state is State.OPEN


class StoreThatIsAskedMeanwhile(MemoryStore):
    """A later attempt asks just before the callback would be closed."""

    async def expire(self, expiries: Sequence[Expiry]) -> None:
        seen = await self.find([one.callback_id for one in expiries])
        await self.open([factories.wish(ref=one.ref, attempt=9) for one in seen.values()])
        await super().expire(expiries)


async def test_a_callback_on_which_a_later_attempt_waits_by_now_takes_the_next_heartbeat(
    activities: FakeActivities, clock: ManualClock
) -> None:
    store = StoreThatIsAskedMeanwhile(clock)
    (callback,) = await store.open([factories.wish()])
    activities.schedule(callback.ref)
    activities.end(callback.ref, how="workflow terminated")

    with pytest.raises(TemporalUnreachableError, match="later attempt"):
        await Heartbeating(store, activities).heartbeat(callback.id, None)
