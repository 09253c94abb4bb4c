"""An outcome ends the attempt that it answers, or is known not to; never another one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from ringback.core.delivery import LEASE, Deliverer
from ringback.core.delivery_failures import BUDGET, TRIES_OF_A_MISTAKE
from ringback.core.services import run_services
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.domain.activity_state import LastFailure
from ringback.domain.callback import Callback, State
from ringback.domain.durations import LONGEST
from ringback.domain.options import Attempts
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from tests import factories
from tests.loops import idle
from tests.unit.core.stage import accepted, asked, found, state_of

TIMED_OUT = LastFailure("timeout", "activity StartToClose timeout", None)
ITS_OWN = LastFailure("application", "the code broke", None, "PythonSDK")


@asynccontextmanager
async def delivering(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> AsyncIterator[Deliverer]:
    deliverer = Deliverer(
        store, activities, VerdictWaiter(store, clock), clock=clock, jitter=lambda: 1.0, owner="me"
    )
    async with run_services(deliverer):
        await idle()
        yield deliverer


async def next_attempt(
    activities: FakeActivities, callback: Callback, failure: LastFailure = TIMED_OUT
) -> None:
    activities.back_off(callback.ref, failure)
    activities.start(callback.ref)


async def lose_the_reply(store: SqlStore, activities: FakeActivities, clock: ManualClock) -> None:
    """Let one delivery be applied, and nobody learn of it."""
    activities.loses_replies = True
    async with delivering(store, activities, clock):
        pass
    activities.loses_replies = False


async def test_a_result_ends_the_attempt_that_runs_though_an_earlier_one_asked(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await accepted(store, activities, Completed(b"1"))
    await next_attempt(activities, callback)

    async with delivering(store, activities, clock):
        assert await state_of(store, callback) is State.APPLIED


async def test_a_failure_waits_for_an_attempt_that_has_not_asked_yet(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await accepted(store, activities, Failed("no", non_retryable=True))
    await next_attempt(activities, callback)

    async with delivering(store, activities, clock):
        before = await found(store, callback)
        await asked(store, activities, callback.ref)
        clock.advance(LONGEST)
        await idle()

    assert before.state is State.ACCEPTED
    assert before.accepted is not None
    assert before.accepted.last_error == "the next attempt will receive it"
    assert await state_of(store, callback) is State.APPLIED


@pytest.mark.parametrize("outcome", [Completed(b"1"), Failed("no")], ids=["completed", "failed"])
async def test_an_activity_that_an_operator_reset_still_gets_the_answer(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, outcome: Outcome
) -> None:
    """Its attempt counts from 1 again and its token is dead, but it is the attempt that asked."""
    callback = await accepted_in_attempt_2(store, activities, outcome)
    activities.reset(callback.ref)

    async with delivering(store, activities, clock):
        assert await state_of(store, callback) is State.APPLIED


async def accepted_in_attempt_2(
    store: SqlStore, activities: FakeActivities, outcome: Outcome
) -> Callback:
    ref = factories.activity_ref()
    activities.schedule(ref)
    await next_attempt(activities, await asked(store, activities, ref))
    second = await asked(store, activities, ref)
    await store.accept([factories.answer(second.id, outcome)])
    return await found(store, second)


async def test_where_only_the_current_attempt_counts_an_earlier_one_s_answer_is_superseded(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await accepted(store, activities, Completed(b"1"), attempts=Attempts.CURRENT)
    await next_attempt(activities, callback)

    async with delivering(store, activities, clock):
        after = await found(store, callback)

    assert after.state is State.SUPERSEDED
    assert after.accepted is not None
    assert after.accepted.proof == {"closed": "attempt 1 ended"}
    assert activities.deliveries == []


async def test_a_token_that_a_reset_made_good_again_does_not_let_an_earlier_answer_in(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await accepted(store, activities, Completed(b"1"), attempts=Attempts.CURRENT)
    await next_attempt(activities, callback)
    activities.reset(callback.ref)
    assert activities.task_token(callback.ref) == callback.task_token

    async with delivering(store, activities, clock):
        pass

    assert activities.deliveries == []
    assert await state_of(store, callback) is State.SUPERSEDED


async def test_the_current_attempt_s_answer_is_applied(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await accepted(store, activities, Completed(b"1"), attempts=Attempts.CURRENT)

    async with delivering(store, activities, clock):
        assert await state_of(store, callback) is State.APPLIED


async def test_a_failure_that_ended_an_earlier_attempt_is_proven_by_the_activity_s_last_failure(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await accepted(store, activities, Failed("try again"))
    await lose_the_reply(store, activities, clock)
    activities.start(callback.ref)
    activities.end(callback.ref, how="timed out")
    clock.advance(LONGEST)

    async with delivering(store, activities, clock):
        after = await found(store, callback)

    assert after.state is State.APPLIED
    assert len(activities.deliveries) == 1


async def test_a_failure_sent_to_an_attempt_that_was_the_last_and_timed_out_is_superseded(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await accepted(store, activities, Failed("try again"))
    activities.is_reachable = False
    async with delivering(store, activities, clock):
        activities.end(callback.ref, how="timed out")
        activities.is_reachable = True
        clock.advance(LONGEST)
        await idle()

    assert await state_of(store, callback) is State.SUPERSEDED


@pytest.mark.parametrize("has_ended", [False, True], ids=["pending", "ended"])
async def test_a_failure_whose_effect_cannot_be_proven_any_more_is_parked_and_not_sent_again(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, *, has_ended: bool
) -> None:
    """Attempt 2 failed by itself before anybody looked: Temporal shows its failure only."""
    callback = await accepted(store, activities, Failed("try again"))
    await lose_the_reply(store, activities, clock)
    activities.start(callback.ref)
    await next_attempt(activities, callback, ITS_OWN)
    if has_ended:
        activities.end(callback.ref, how="timed out")
    clock.advance(LONGEST)

    async with delivering(store, activities, clock):
        after = await found(store, callback)

    assert after.state is State.PARKED
    assert after.accepted is not None
    assert "cannot be proved" in str(after.accepted.proof)
    assert len(activities.deliveries) == 1


async def test_a_failure_that_proved_untaken_may_wait_through_many_attempts(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await accepted(store, activities, Failed("no"))
    activities.back_off(callback.ref, TIMED_OUT)

    async with delivering(store, activities, clock):
        for _ in range(3):
            activities.start(callback.ref)
            activities.back_off(callback.ref, ITS_OWN)
            clock.advance(LONGEST)
            await idle()
        before = await state_of(store, callback)
        activities.start(callback.ref)
        await asked(store, activities, callback.ref)
        clock.advance(LONGEST)
        await idle()

    assert before is State.ACCEPTED
    assert await state_of(store, callback) is State.APPLIED


async def test_a_workflow_reset_supersedes_the_answer_unless_the_callback_follows_it(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    stays = await accepted(store, activities, Completed(b"1"))
    follows = await accepted(store, activities, Completed(b"2"), follow_reset=True)
    for callback in (stays, follows):
        activities.reset_workflow(callback.ref, "another-run")

    async with delivering(store, activities, clock):
        states = [await state_of(store, callback) for callback in (stays, follows)]

    assert states == [State.SUPERSEDED, State.APPLIED]
    assert [ref.run_id for ref, _, _ in activities.deliveries] == ["another-run"]


async def test_a_failure_that_ended_an_attempt_before_the_reset_is_not_carried_into_the_new_run(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await accepted(store, activities, Failed("try again"), follow_reset=True)
    await lose_the_reply(store, activities, clock)
    moved = activities.reset_workflow(callback.ref, "another-run")
    activities.end(moved, how="workflow terminated")
    clock.advance(LONGEST)

    async with delivering(store, activities, clock):
        assert await state_of(store, callback) is State.APPLIED


async def test_a_failure_that_ended_none_goes_on_in_the_new_run(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await accepted(store, activities, Failed("try again"), follow_reset=True)
    await store.claim("a deliverer that died", limit=1, lease=LEASE)
    moved = activities.reset_workflow(callback.ref, "another-run")
    clock.advance(LEASE)

    async with delivering(store, activities, clock):
        before = await state_of(store, callback)
        await asked(store, activities, moved, follow_reset=True)
        clock.advance(LONGEST)
        await idle()

    assert before is State.ACCEPTED
    assert await state_of(store, callback) is State.APPLIED


async def test_a_callback_that_follows_a_reset_ends_with_the_activity_that_was_not_reset(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await accepted(store, activities, follow_reset=True)
    activities.end(callback.ref, how="workflow terminated")

    async with delivering(store, activities, clock):
        assert await state_of(store, callback) is State.SUPERSEDED


@pytest.mark.parametrize("is_asked", [True, False])
async def test_a_cancellation_is_delivered_to_an_attempt_that_runs(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, *, is_asked: bool
) -> None:
    callback = await accepted(store, activities, Canceled(b"1"))
    await next_attempt(activities, callback)
    activities.request_cancel(callback.ref)
    if is_asked:
        await asked(store, activities, callback.ref)

    async with delivering(store, activities, clock):
        assert await state_of(store, callback) is State.APPLIED


async def test_an_attempt_that_ends_between_the_look_and_the_delivery_is_looked_at_again(
    store: SqlStore, clock: ManualClock
) -> None:
    activities = ActivitiesThatEndMeanwhile()
    callback = await accepted(store, activities, attempts=Attempts.CURRENT)

    async with delivering(store, activities, clock):
        assert await state_of(store, callback) is State.SUPERSEDED


class ActivitiesThatEndMeanwhile(FakeActivities):
    """The activity times out just before the delivery reaches it."""

    async def deliver_to_attempt(
        self, callback: Callback, encoded: object, *, identity: str
    ) -> None:
        self.end(callback.ref, how="timed out")
        await super().deliver_to_attempt(callback, encoded, identity=identity)


async def test_a_failure_without_a_token_ends_the_attempt_with_the_number_that_asked(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    """As in a database of a Ringback that kept no tokens."""
    ref = factories.activity_ref()
    activities.schedule(ref)
    (callback,) = await store.open([factories.request(ref=ref, task_token=None)])
    await store.accept([factories.answer(callback.id, Failed("no", non_retryable=True))])

    async with delivering(store, activities, clock):
        assert await state_of(store, callback) is State.APPLIED


async def test_what_a_process_that_stood_still_believes_does_not_count(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    """It had looked; meanwhile its lease ran out, and an attempt took the answer and ended."""
    callback = await accepted(store, activities, Completed(b"1"))
    (old_copy,) = await store.claim("frozen", limit=1, lease=LEASE)
    clock.advance(LEASE)
    started_at = callback.attempt_started_at
    await store.deliver_inline(callback.id, worker="w", attempt_started_at=started_at, lease=LEASE)
    activities.end(callback.ref, how="completed", identity="w")

    await store.settle([factories.settlement(old_copy, State.SUPERSEDED)])
    between = await state_of(store, callback)
    clock.advance(LEASE)
    async with delivering(store, activities, clock):
        pass

    assert between is State.ACCEPTED
    assert await state_of(store, callback) is State.APPLIED


async def test_a_busy_temporal_gets_fewer_deliveries_at_a_time_and_loses_none(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callbacks = [await accepted(store, activities) for _ in range(100)]
    activities.is_busy = True

    async with delivering(store, activities, clock):
        for _ in range(5):
            clock.advance(LONGEST)
            await idle()
        before = await tries(store, callbacks)
        clock.advance(LONGEST)
        await idle()
        begun = await tries(store, callbacks) - before
        activities.is_busy = False
        for _ in range(20):
            clock.advance(LONGEST)
            await idle()

    assert {await state_of(store, callback) for callback in callbacks} == {State.APPLIED}
    assert begun < len(callbacks) / 2


async def tries(store: SqlStore, callbacks: list[Callback]) -> int:
    seen = await store.find([callback.id for callback in callbacks])
    return sum(one.accepted.tries for one in seen.values() if one.accepted)


async def test_a_delivery_that_goes_on_meeting_a_mistake_is_parked_with_its_name(
    store: SqlStore, clock: ManualClock
) -> None:
    activities = ActivitiesThatBreak()
    callback = await accepted(store, activities, Completed(b'"secret"'))

    async with delivering(store, activities, clock):
        for _ in range(TRIES_OF_A_MISTAKE):
            clock.advance(LONGEST)
            await idle()

    after = await found(store, callback)
    assert after.state is State.PARKED
    assert after.accepted is not None
    assert after.accepted.proof == {"reason": "a bug in Ringback: KeyError"}


class ActivitiesThatBreak(FakeActivities):
    """A delivery meets a mistake, as a user's codec may make one."""

    async def deliver_to_attempt(
        self, callback: Callback, encoded: object, *, identity: str
    ) -> None:
        msg = f"{callback}, {encoded}, {identity}"
        raise KeyError(msg)


async def test_what_temporal_never_answers_is_for_a_person_in_the_end(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await accepted(store, activities)
    activities.is_reachable = False

    async with delivering(store, activities, clock):
        clock.advance(BUDGET - timedelta(minutes=1))
        await idle()
        before = await state_of(store, callback)
        for _ in range(3):
            clock.advance(timedelta(minutes=1))
            await idle()

    assert before is State.ACCEPTED
    assert await state_of(store, callback) is State.PARKED
