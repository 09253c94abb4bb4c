"""Polls keep to their budget, however many callbacks are open."""

import heapq
from datetime import timedelta

import pytest

from ringback.core.activity_poller import LONGEST, PollSchedule
from ringback.domain.callback import Callback
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from tests import factories

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def callback(store: SqlStore) -> Callback:
    (callback,) = await store.open([factories.request()])
    return callback


def test_budget_is_spent_tick_by_tick() -> None:
    assert [PollSchedule(per_second).per_tick for per_second in (1, 50, 2000)] == [1, 50, 2000]


async def test_polls_become_seldom_beyond_the_budget_and_frequent_again_after_it(
    callback: Callback, clock: ManualClock
) -> None:
    schedule = PollSchedule(10)
    clock.advance(timedelta(days=1))
    alone = schedule.poll_in(callback, None, clock.now())

    for _ in range(60):
        schedule.record(is_behind=True)
    crowded = schedule.poll_in(callback, None, clock.now())
    for _ in range(60):
        schedule.record(is_behind=False)

    assert alone == LONGEST
    assert crowded == LONGEST + MINUTE
    assert schedule.poll_in(callback, None, clock.now()) == LONGEST


async def test_each_callback_is_polled_within_the_hour(
    callback: Callback, clock: ManualClock
) -> None:
    schedule = PollSchedule(1)
    clock.advance(timedelta(days=1))

    for _ in range(5000):
        schedule.record(is_behind=True)

    assert schedule.poll_in(callback, None, clock.now()) == timedelta(hours=1)


async def test_poll_follows_a_timeout_once(callback: Callback, clock: ManualClock) -> None:
    schedule = PollSchedule(1)
    for _ in range(100):
        schedule.record(is_behind=True)
    clock.advance(MINUTE)

    soon = schedule.poll_in(callback, clock.now() + timedelta(seconds=9), clock.now())
    passed = schedule.poll_in(callback, clock.now() - timedelta(seconds=9), clock.now())

    assert soon == timedelta(seconds=10)
    assert passed == MINUTE


async def test_clock_behind_the_store_polls_in_the_same_way(
    callback: Callback, clock: ManualClock
) -> None:
    behind = clock.now() - timedelta(hours=1)

    assert PollSchedule(1).poll_in(callback, None, behind) == timedelta(seconds=1)


async def test_all_callbacks_get_their_turn_beyond_the_budget(
    callback: Callback, clock: ManualClock
) -> None:
    """A thousand callbacks are due, as after a restart; the budget is fifty per second."""
    schedule, second = PollSchedule(50), timedelta(seconds=1)
    clock.advance(timedelta(days=1))
    due = [(clock.now(), number) for number in range(1000)]
    seen_at = {number: clock.now() for number in range(1000)}
    waits = []

    for _ in range(300):
        now = clock.now()
        turn = [heapq.heappop(due) for _ in range(50) if due and due[0][0] <= now]
        schedule.record(is_behind=len(turn) >= schedule.per_tick)
        for _, number in turn:
            waits.append(now - seen_at[number])
            seen_at[number] = now
            heapq.heappush(due, (now + schedule.poll_in(callback, None, now), number))
        clock.advance(second)

    at_best = second * 1000 / 50
    assert max(waits) <= 3 * at_best
    assert len(waits) > 0.7 * 300 * 50
