"""Polling closes the callbacks whose activity has ended, and no others."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import pytest

from ringback.core.activity_poller import EVERY, LEASE, LONGEST
from ringback.core.services import run_services
from ringback.domain.activity_state import LastFailure, Pending
from ringback.domain.audit import AuditKind
from ringback.domain.callback import ActivityExecution, Callback, State
from ringback.domain.errors import RefusedByTemporalError, TemporalUnreachableError
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from tests import factories
from tests.loops import idle
from tests.pollers import PER_SECOND, activity_poller


@pytest.fixture
def due_poller(store: SqlStore, activities: FakeActivities, clock: ManualClock) -> "DuePoller":
    return DuePoller(store, activities, clock)


class DuePoller:
    """A poller that polls when all open callbacks are due."""

    def __init__(self, store: SqlStore, activities: FakeActivities, clock: ManualClock) -> None:
        self.poller = activity_poller(store, activities, clock)
        self._clock = clock

    async def poll(self) -> None:
        self._clock.advance(LEASE)
        await self.poller.poll()


async def opened(store: SqlStore, activities: FakeActivities) -> Callback:
    (callback,) = await store.open([factories.request()])
    activities.schedule(callback.ref)
    return callback


async def states(store: SqlStore, callbacks: list[Callback]) -> list[State]:
    found = await store.find([callback.id for callback in callbacks])
    return [found[callback.id].state for callback in callbacks]


async def test_ended_activity_closes_its_callback_with_the_reason(
    store: SqlStore, activities: FakeActivities, due_poller: "DuePoller"
) -> None:
    callback = await opened(store, activities)
    activities.end(callback.ref, how="timed out")

    await due_poller.poll()

    found = (await store.find([callback.id]))[callback.id]
    assert found.state is State.EXPIRED
    assert "timed out at 2030" in str(found.expired_because)


async def test_callback_stays_open_during_a_backoff(
    store: SqlStore, activities: FakeActivities, due_poller: "DuePoller"
) -> None:
    callbacks = [await opened(store, activities) for _ in range(2)]
    activities.back_off(callbacks[0].ref, LastFailure("timeout", "", None))

    await due_poller.poll()

    assert await states(store, callbacks) == [State.OPEN, State.OPEN]


async def test_budget_limits_the_polled_runs_and_all_get_their_turn(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callbacks = [await opened(store, activities) for _ in range(7)]
    few = activity_poller(store, activities, clock, per_second=3)
    clock.advance(LEASE)

    for _ in range(2):
        await few.poll()
    before = {ref for refs in activities.looks for ref in refs}
    await few.poll()

    assert len(before) == 6
    assert len(activities.looks) == 7
    assert {ref for refs in activities.looks for ref in refs} == {one.ref for one in callbacks}


async def test_one_request_polls_all_activities_of_a_run(
    store: SqlStore, activities: FakeActivities, due_poller: "DuePoller"
) -> None:
    refs = [factories.activity_ref(workflow_id="order", activity_id=str(n)) for n in range(20)]
    await store.open([factories.request(ref=ref) for ref in refs])
    for ref in refs:
        activities.schedule(ref)

    await due_poller.poll()

    assert [set(looked) for looked in activities.looks] == [set(refs)]


async def test_two_gateways_never_poll_the_same_callback(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    for _ in range(5):
        await opened(store, activities)
    clock.advance(LEASE)

    await activity_poller(store, activities, clock).poll()
    await activity_poller(store, activities, clock).poll()

    assert len(activities.looks) == 5


async def test_young_callback_is_polled_often_and_an_old_one_seldom(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    await opened(store, activities)
    one = activity_poller(store, activities, clock)
    looked_after: list[int] = []

    for second in range(1, 31):
        clock.advance(EVERY)
        await one.poll()
        if len(activities.looks) > len(looked_after):
            looked_after.append(second)

    assert looked_after[:4] == [1, 2, 4, 8]
    gaps = {later - earlier for earlier, later in pairwise(looked_after[3:])}
    assert gaps == {LONGEST.total_seconds()}


async def test_cancel_request_is_stored_and_recorded_once(
    store: SqlStore, activities: FakeActivities, due_poller: "DuePoller"
) -> None:
    callback = await opened(store, activities)
    activities.request_cancel(callback.ref)
    activities.pause(callback.ref)

    for _ in range(2):
        await due_poller.poll()

    found = (await store.find([callback.id]))[callback.id]
    assert found.cancel_requested_at is not None
    assert found.paused_at is not None
    kinds = [entry.kind for entry in await store.audit_trail(callback.id)]
    assert kinds == [AuditKind.OPENED, AuditKind.CANCEL_REQUESTED, AuditKind.PAUSED]


async def test_timeout_that_an_operator_changed_is_stored(
    store: SqlStore, activities: FakeActivities, due_poller: "DuePoller"
) -> None:
    callback = await opened(store, activities)
    later = factories.NOW + timedelta(days=3)
    activities.set_timeout(callback.ref, later)

    await due_poller.poll()

    assert (await store.find([callback.id]))[callback.id].attempt_timeout_at == later


async def test_poll_is_due_right_after_the_timeout(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await opened(store, activities)
    one = activity_poller(store, activities, clock)
    clock.advance(timedelta(minutes=10))
    activities.set_timeout(callback.ref, clock.now() + timedelta(seconds=2))
    await one.poll()
    activities.end(callback.ref, how="timed out")

    clock.advance(timedelta(seconds=2))
    await one.poll()
    before = await states(store, [callback])
    clock.advance(timedelta(seconds=1))
    await one.poll()

    assert before == [State.OPEN]
    assert await states(store, [callback]) == [State.EXPIRED]


async def test_callback_with_follow_reset_stays_open_in_the_new_run(
    store: SqlStore, activities: FakeActivities, due_poller: "DuePoller"
) -> None:
    (callback,) = await store.open([factories.request(follow_reset=True)])
    activities.schedule(callback.ref)
    activities.reset_workflow(callback.ref, "another-run")

    await due_poller.poll()

    assert await states(store, [callback]) == [State.OPEN]


async def test_callback_expires_only_after_an_outage_of_temporal(
    store: SqlStore, activities: FakeActivities, due_poller: "DuePoller", clock: ManualClock
) -> None:
    callback = await opened(store, activities)
    activities.end(callback.ref, how="timed out")
    activities.is_reachable = False
    clock.advance(LEASE)

    async with run_services(due_poller.poller):
        await idle()
        before = await states(store, [callback])
        activities.is_reachable = True
        clock.advance(LEASE)
        await idle()

    assert before == [State.OPEN]
    assert await states(store, [callback]) == [State.EXPIRED]


async def test_poll_without_a_reply_is_repeated_long_before_its_lease_ends(
    store: SqlStore, activities: FakeActivities, due_poller: "DuePoller", clock: ManualClock
) -> None:
    callback = await opened(store, activities)
    activities.end(callback.ref, how="timed out")
    activities.is_reachable = False
    await due_poller.poll()
    activities.is_reachable = True

    clock.advance(LONGEST)
    await due_poller.poller.poll()

    assert LONGEST < LEASE / 2
    assert await states(store, [callback]) == [State.EXPIRED]


class ActivitiesOfAMissingNamespace(FakeActivities):
    """Temporal rejects the poll of one activity."""

    def __init__(self, refused: ActivityExecution) -> None:
        super().__init__()
        self.refused = refused

    async def poll(self, refs: Sequence[ActivityExecution]) -> Sequence[Pending | None]:
        if self.refused in refs:
            msg = "Namespace nowhere is not found."
            raise RefusedByTemporalError(msg)
        return await super().poll(refs)


async def test_activity_that_cannot_be_polled_does_not_block_others(
    store: SqlStore, clock: ManualClock
) -> None:
    ref = factories.activity_ref()
    activities = ActivitiesOfAMissingNamespace(ref)
    (refused,) = await store.open([factories.request(ref=ref)])
    ended = await opened(store, activities)
    activities.end(ended.ref, how="timed out")

    await DuePoller(store, activities, clock).poll()

    assert await states(store, [refused, ended]) == [State.OPEN, State.EXPIRED]


async def test_round_of_polls_stops_while_temporal_is_away(
    store: SqlStore, clock: ManualClock
) -> None:
    activities = ActivitiesThatAreAway()
    await store.open([factories.request() for _ in range(PER_SECOND)])

    await DuePoller(store, activities, clock).poll()

    assert 3 <= activities.asked <= 8


class ActivitiesThatAreAway(FakeActivities):
    """Temporal never replies; counts the requests."""

    asked = 0

    async def poll(self, refs: Sequence[ActivityExecution]) -> Sequence[Pending | None]:
        self.asked += 1
        msg = f"no answer about {refs[0].activity_id}"
        raise TemporalUnreachableError(msg)


async def test_missing_activity_expires_a_callback_only_after_its_deadline(
    store: SqlStore, activities: FakeActivities, due_poller: "DuePoller", clock: ManualClock
) -> None:
    """It may be another server, so a callback that may still be answered stays open."""
    attempt_timeout_at = clock.now() + timedelta(hours=1)
    (callback,) = await store.open([factories.request(attempt_timeout_at=attempt_timeout_at)])

    await due_poller.poll()
    before = await states(store, [callback])
    clock.advance(timedelta(hours=1))
    await due_poller.poll()

    assert activities.heartbeats == []
    assert before == [State.OPEN]
    assert await states(store, [callback]) == [State.EXPIRED]
