"""At its deadline, a callback gets its default answer."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from ringback.core.deadlines import LONGEST_REST, DeadlineKeeper
from ringback.core.services import run_services
from ringback.domain.activity_state import Pending
from ringback.domain.callback import (
    DEADLINE_EXCEEDED,
    ActivityExecution,
    Callback,
    State,
)
from ringback.domain.deadlines import MAX_LEAD
from ringback.domain.errors import StoreUnavailableError
from ringback.domain.outcome import Completed, Failed
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.loops import idle
from tests.pollers import activity_checker
from tests.unit.core.callbacks import open_callback, reload, state_of

HOUR = timedelta(hours=1)
NO = Completed(b'{"approved":false}')


@pytest.fixture
def wait_for_event() -> list[str]:
    return []


@pytest.fixture
def keeper(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, wait_for_event: list[str]
) -> DeadlineKeeper:
    return DeadlineKeeper(
        store,
        activity_checker(store, activities, clock),
        clock=clock,
        new_outcome_id=factories.outcome_id,
        on_accepted=lambda: wait_for_event.append("accepted"),
    )


async def opened(
    store: SqlStore,
    activities: FakeActivities,
    attempt_timeout_at: datetime | None = None,
    **options: Any,
) -> Callback:
    ref = factories.activity_ref()
    activities.schedule(ref)
    activities.set_timeout(ref, attempt_timeout_at)
    return await open_callback(
        store, activities, ref, attempt_timeout_at=attempt_timeout_at, **options
    )


async def test_default_answer_is_accepted_at_the_deadline(
    keeper: DeadlineKeeper,
    store: SqlStore,
    activities: FakeActivities,
    clock: ManualClock,
    wait_for_event: list[str],
) -> None:
    callback = await opened(store, activities, deadline=HOUR, on_deadline=NO)

    async with run_services(keeper):
        await idle()
        before = await state_of(store, callback)
        clock.advance(HOUR)
        await idle()

    after = await reload(store, callback)
    assert before is State.OPEN
    assert after.accepted is not None
    assert (after.accepted.outcome, after.accepted.is_default) == (NO, True)
    assert wait_for_event == ["accepted"]


async def test_answer_in_time_prevents_the_default_answer(
    keeper: DeadlineKeeper, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await opened(store, activities, deadline=HOUR, on_deadline=NO)
    await store.accept([factories.answer(callback.id, Completed(b"1"))])
    clock.advance(HOUR)

    await keeper.accept_due()

    after = await reload(store, callback)
    assert after.accepted is not None
    assert after.accepted.outcome == Completed(b"1")


async def test_default_answer_is_accepted_before_temporals_timeout(
    keeper: DeadlineKeeper, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await opened(store, activities, clock.now() + HOUR, on_deadline=NO)

    clock.advance(HOUR - MAX_LEAD - timedelta(seconds=1))
    await keeper.accept_due()
    before = await state_of(store, callback)
    clock.advance(timedelta(seconds=1))
    await keeper.accept_due()

    assert before is State.OPEN
    assert await state_of(store, callback) is State.ACCEPTED


async def test_deadline_without_default_fails_at_the_deadline_only(
    keeper: DeadlineKeeper, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    """The attempt may time out earlier; then Temporal runs the next one."""
    callback = await opened(store, activities, clock.now() + HOUR, deadline=3 * HOUR)

    clock.advance(2 * HOUR)
    await keeper.accept_due()
    before = await state_of(store, callback)
    clock.advance(HOUR)
    await keeper.accept_due()

    after = await reload(store, callback)
    assert before is State.OPEN
    assert after.accepted is not None
    assert after.accepted.outcome == Failed(
        "no answer arrived before the deadline", type=DEADLINE_EXCEEDED, non_retryable=True
    )


async def test_extended_timeout_postpones_the_default_answer(
    keeper: DeadlineKeeper, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await opened(store, activities, clock.now() + HOUR, on_deadline=NO)
    activities.set_timeout(callback.ref, clock.now() + 2 * HOUR)
    clock.advance(HOUR)

    await keeper.accept_due()
    before = await state_of(store, callback)
    clock.advance(HOUR)
    await keeper.accept_due()

    assert before is State.OPEN
    assert await state_of(store, callback) is State.ACCEPTED


async def test_timeouts_of_a_paused_activity_do_not_count(
    keeper: DeadlineKeeper, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await opened(store, activities, clock.now() + HOUR, on_deadline=NO)
    activities.pause(callback.ref)
    clock.advance(HOUR)

    await keeper.accept_due()

    assert await state_of(store, callback) is State.OPEN


async def test_ended_activity_gets_no_default_answer(
    keeper: DeadlineKeeper, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await opened(store, activities, deadline=HOUR, on_deadline=NO)
    activities.end(callback.ref, how="workflow terminated")
    clock.advance(HOUR)

    await keeper.accept_due()

    assert await state_of(store, callback) is State.EXPIRED


async def test_default_answer_is_accepted_while_temporal_is_away(
    keeper: DeadlineKeeper, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await opened(store, activities, deadline=HOUR, on_deadline=NO)
    activities.is_reachable = False
    clock.advance(HOUR)

    await keeper.accept_due()

    assert await state_of(store, callback) is State.ACCEPTED


async def test_timeout_is_polled_before_the_default_answer_is_accepted(
    keeper: DeadlineKeeper, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await opened(store, activities, clock.now() + HOUR, on_deadline=NO)
    activities.is_reachable = False
    clock.advance(HOUR)

    await keeper.accept_due()
    before = await state_of(store, callback)
    activities.is_reachable = True
    clock.advance(LONGEST_REST)
    await keeper.accept_due()

    assert before is State.OPEN
    assert await state_of(store, callback) is State.ACCEPTED


class StoreThatCannotExpire(SqlStore):
    """A store that fails in the middle of a round."""

    async def expire(self, reasons: Any) -> None:
        msg = f"disk full: {len(reasons)}"
        raise StoreUnavailableError(msg)


async def test_keeper_continues_after_an_error_of_the_store(
    activities: FakeActivities, database: InMemoryDatabase, clock: ManualClock
) -> None:
    store = StoreThatCannotExpire(database)
    keeper = DeadlineKeeper(
        store,
        activity_checker(store, activities, clock),
        clock=clock,
        new_outcome_id=factories.outcome_id,
        on_accepted=lambda: None,
    )
    ended = await opened(store, activities, deadline=HOUR, on_deadline=NO)
    activities.end(ended.ref, how="timed out")
    clock.advance(HOUR)

    async with run_services(keeper):
        await idle()
        activities.schedule(ended.ref)
        clock.advance(timedelta(seconds=1))
        await idle()

    assert await state_of(store, ended) is State.ACCEPTED


class ActivitiesThatCount(FakeActivities):
    """Counts the polls."""

    asked = 0

    async def poll(self, refs: Sequence[ActivityExecution]) -> Sequence[Pending | None]:
        self.asked += 1
        return await super().poll(refs)


async def test_default_answer_that_cannot_be_checked_is_retried_after_a_rest(
    store: SqlStore, clock: ManualClock
) -> None:
    activities = ActivitiesThatCount()
    keeper = DeadlineKeeper(
        store,
        activity_checker(store, activities, clock),
        clock=clock,
        new_outcome_id=factories.outcome_id,
        on_accepted=lambda: None,
    )
    await opened(store, activities, attempt_timeout_at=clock.now() + HOUR, on_deadline=NO)
    activities.is_reachable = False
    clock.advance(HOUR)

    async with run_services(keeper):
        await idle()
        at_first = activities.asked
        clock.advance(LONGEST_REST)
        await idle()

    assert (at_first, activities.asked) == (1, 2)
