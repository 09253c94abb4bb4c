"""A callback that nobody waits for is closed, and no other."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from ringback.core.observe import Observer
from ringback.core.service import running
from ringback.core.sweep import EVERY, PAGE, Sweeper
from ringback.domain.callback import ActivityRef, Callback, State
from ringback.domain.errors import RefusedByTemporalError, TemporalUnreachableError
from ringback.ports.activities import LastFailure, Pending
from ringback.testing import FakeActivities, ManualClock, MemoryStore
from tests import factories
from tests.loops import idle


@pytest.fixture
def sweeper(store: MemoryStore, activities: FakeActivities, clock: ManualClock) -> Sweeper:
    return Sweeper(store, Observer(store, store, activities), clock=clock)


async def opened(store: MemoryStore, activities: FakeActivities) -> Callback:
    (callback,) = await store.open([factories.wish()])
    activities.schedule(callback.ref)
    return callback


async def states(store: MemoryStore, callbacks: list[Callback]) -> list[State]:
    found = await store.find([callback.id for callback in callbacks])
    return [found[callback.id].state for callback in callbacks]


async def test_an_ended_activity_closes_its_callback_with_the_reason(
    store: MemoryStore, activities: FakeActivities, sweeper: Sweeper
) -> None:
    callback = await opened(store, activities)
    activities.end(callback.ref, how="timed out")

    await sweeper.sweep()

    found = (await store.find([callback.id]))[callback.id]
    assert found.state is State.EXPIRED
    assert "timed out at 2030" in str(found.expired_because)


async def test_a_waiting_activity_keeps_its_callback_open_between_attempts_too(
    store: MemoryStore, activities: FakeActivities, sweeper: Sweeper
) -> None:
    callbacks = [await opened(store, activities) for _ in range(2)]
    activities.back_off(callbacks[0].ref, LastFailure("timeout", "", None))

    await sweeper.sweep()

    assert await states(store, callbacks) == [State.OPEN, State.OPEN]


async def test_round_and_round_all_open_callbacks_are_looked_at(
    store: MemoryStore, activities: FakeActivities, sweeper: Sweeper
) -> None:
    callbacks = [await opened(store, activities) for _ in range(2 * PAGE + 1)]
    await sweeper.sweep()
    for callback in callbacks:
        activities.end(callback.ref, how="timed out")

    for _ in range(4):
        await sweeper.sweep()

    assert set(await states(store, callbacks)) == {State.EXPIRED}


async def test_a_callback_that_follows_resets_stays_open_where_its_activity_waits_again(
    store: MemoryStore, activities: FakeActivities, sweeper: Sweeper
) -> None:
    (callback,) = await store.open([factories.wish(follows_reset=True)])
    activities.schedule(callback.ref)
    activities.reset_workflow(callback.ref, "another-run")

    await sweeper.sweep()

    assert await states(store, [callback]) == [State.OPEN]


async def test_while_temporal_is_away_nothing_is_closed_and_later_it_is(
    store: MemoryStore, activities: FakeActivities, sweeper: Sweeper, clock: ManualClock
) -> None:
    callback = await opened(store, activities)
    activities.end(callback.ref, how="timed out")
    activities.is_reachable = False

    async with running(sweeper):
        await idle()
        before = await states(store, [callback])
        activities.is_reachable = True
        clock.advance(EVERY)
        await idle()

    assert before == [State.OPEN]
    assert await states(store, [callback]) == [State.EXPIRED]


class ActivitiesOfAMissingNamespace(FakeActivities):
    """Temporal refuses to look at one of the activities."""

    def __init__(self, refused: ActivityRef) -> None:
        super().__init__()
        self.refused = refused

    async def look(self, refs: Sequence[ActivityRef]) -> Sequence[Pending | None]:
        if self.refused in refs:
            msg = "Namespace nowhere is not found."
            raise RefusedByTemporalError(msg)
        return await super().look(refs)


async def test_one_that_cannot_be_looked_at_holds_up_no_other(
    store: MemoryStore, clock: ManualClock
) -> None:
    ref = factories.activity_ref()
    activities = ActivitiesOfAMissingNamespace(ref)
    (refused,) = await store.open([factories.wish(ref=ref)])
    ended = await opened(store, activities)
    activities.end(ended.ref, how="timed out")

    await Sweeper(store, Observer(store, store, activities), clock=clock).sweep()

    assert await states(store, [refused, ended]) == [State.OPEN, State.EXPIRED]


async def test_a_temporal_that_does_not_answer_is_not_asked_for_every_run(
    store: MemoryStore, clock: ManualClock
) -> None:
    activities = ActivitiesThatAreAway()
    await store.open([factories.wish() for _ in range(PAGE)])

    await Sweeper(store, Observer(store, store, activities), clock=clock).sweep()

    assert activities.looks == 3


class ActivitiesThatAreAway(FakeActivities):
    """It counts in vain how often it is asked."""

    looks = 0

    async def look(self, refs: Sequence[ActivityRef]) -> Sequence[Pending | None]:
        self.looks += 1
        msg = f"no answer about {refs[0].activity_id}"
        raise TemporalUnreachableError(msg)


async def test_a_temporal_that_knows_nothing_is_believed_only_when_the_time_is_up(
    store: MemoryStore, activities: FakeActivities, sweeper: Sweeper, clock: ManualClock
) -> None:
    """It may be another server: nothing is closed for that which may still be answered."""
    timeout_at = clock.now() + timedelta(hours=1)
    (callback,) = await store.open([factories.wish(timeout_at=timeout_at)])

    await sweeper.sweep()
    before = await states(store, [callback])
    clock.advance(timedelta(hours=1))
    await sweeper.sweep()

    assert activities.heartbeats == []
    assert before == [State.OPEN]
    assert await states(store, [callback]) == [State.EXPIRED]
