"""An outcome ends the attempt that it answers, or is proved not applied."""

from datetime import timedelta

import pytest

from ringback.core.delivery import LEASE
from ringback.core.delivery_failures import BUDGET, TRIES_OF_A_MISTAKE
from ringback.domain.activity_state import LastFailure
from ringback.domain.callback import Callback, State
from ringback.domain.durations import LONGEST
from ringback.domain.options import Attempts
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from tests import factories
from tests.loops import idle
from tests.unit.core.callbacks import (
    open_and_answer,
    open_callback,
    reload,
    running_deliverer,
    state_of,
)

TIMED_OUT = LastFailure("timeout", "activity StartToClose timeout", None)
ITS_OWN = LastFailure("application", "the code broke", None, "PythonSDK")


async def next_attempt(
    activities: FakeActivities, callback: Callback, failure: LastFailure = TIMED_OUT
) -> None:
    activities.back_off(callback.ref, failure)
    activities.start(callback.ref)


async def lose_the_reply(store: SqlStore, activities: FakeActivities, clock: ManualClock) -> None:
    """Apply one delivery, and lose Temporal's reply."""
    activities.loses_replies = True
    async with running_deliverer(store, activities, clock):
        pass
    activities.loses_replies = False


async def test_result_ends_the_running_attempt_although_an_earlier_one_opened_the_callback(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await open_and_answer(store, activities, Completed(b"1"))
    await next_attempt(activities, callback)

    async with running_deliverer(store, activities, clock):
        assert await state_of(store, callback) is State.APPLIED


async def test_failure_waits_for_an_attempt_that_has_not_opened_the_callback(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await open_and_answer(store, activities, Failed("no", non_retryable=True))
    await next_attempt(activities, callback)

    async with running_deliverer(store, activities, clock):
        before = await reload(store, callback)
        await open_callback(store, activities, callback.ref)
        clock.advance(LONGEST)
        await idle()

    assert before.state is State.ACCEPTED
    assert before.accepted is not None
    assert before.accepted.last_error == "the next attempt will receive it"
    assert await state_of(store, callback) is State.APPLIED


@pytest.mark.parametrize("outcome", [Completed(b"1"), Failed("no")], ids=["completed", "failed"])
async def test_activity_that_an_operator_reset_still_gets_the_answer(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, outcome: Outcome
) -> None:
    """Its attempts count from 1 again and its token is invalid, but the same attempt waits."""
    callback = await accepted_in_attempt_2(store, activities, outcome)
    activities.reset(callback.ref)

    async with running_deliverer(store, activities, clock):
        assert await state_of(store, callback) is State.APPLIED


async def accepted_in_attempt_2(
    store: SqlStore, activities: FakeActivities, outcome: Outcome
) -> Callback:
    ref = factories.activity_ref()
    activities.schedule(ref)
    await next_attempt(activities, await open_callback(store, activities, ref))
    second = await open_callback(store, activities, ref)
    await store.accept([factories.answer(second.id, outcome)])
    return await reload(store, second)


async def test_answer_of_an_earlier_attempt_is_superseded_with_attempts_current(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await open_and_answer(store, activities, Completed(b"1"), attempts=Attempts.CURRENT)
    await next_attempt(activities, callback)

    async with running_deliverer(store, activities, clock):
        after = await reload(store, callback)

    assert after.state is State.SUPERSEDED
    assert after.accepted is not None
    assert after.accepted.proof == {"closed": "attempt 1 ended"}
    assert activities.deliveries == []


async def test_reset_that_revives_a_token_does_not_let_an_earlier_answer_in(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await open_and_answer(store, activities, Completed(b"1"), attempts=Attempts.CURRENT)
    await next_attempt(activities, callback)
    activities.reset(callback.ref)
    assert activities.task_token(callback.ref) == callback.task_token

    async with running_deliverer(store, activities, clock):
        pass

    assert activities.deliveries == []
    assert await state_of(store, callback) is State.SUPERSEDED


async def test_answer_of_the_current_attempt_is_applied(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await open_and_answer(store, activities, Completed(b"1"), attempts=Attempts.CURRENT)

    async with running_deliverer(store, activities, clock):
        assert await state_of(store, callback) is State.APPLIED


async def test_last_failure_proves_a_failure_that_ended_an_earlier_attempt(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await open_and_answer(store, activities, Failed("try again"))
    await lose_the_reply(store, activities, clock)
    activities.start(callback.ref)
    activities.end(callback.ref, how="timed out")
    clock.advance(LONGEST)

    async with running_deliverer(store, activities, clock):
        after = await reload(store, callback)

    assert after.state is State.APPLIED
    assert len(activities.deliveries) == 1


async def test_failure_sent_to_a_last_attempt_that_timed_out_is_superseded(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await open_and_answer(store, activities, Failed("try again"))
    activities.is_reachable = False
    async with running_deliverer(store, activities, clock):
        activities.end(callback.ref, how="timed out")
        activities.is_reachable = True
        clock.advance(LONGEST)
        await idle()

    assert await state_of(store, callback) is State.SUPERSEDED


@pytest.mark.parametrize("has_ended", [False, True], ids=["pending", "ended"])
async def test_failure_that_can_no_longer_be_proved_is_parked(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, *, has_ended: bool
) -> None:
    """Attempt 2 failed on its own before Ringback polled: Temporal shows only that failure."""
    callback = await open_and_answer(store, activities, Failed("try again"))
    await lose_the_reply(store, activities, clock)
    activities.start(callback.ref)
    await next_attempt(activities, callback, ITS_OWN)
    if has_ended:
        activities.end(callback.ref, how="timed out")
    clock.advance(LONGEST)

    async with running_deliverer(store, activities, clock):
        after = await reload(store, callback)

    assert after.state is State.PARKED
    assert after.accepted is not None
    assert "cannot be proved" in str(after.accepted.proof)
    assert len(activities.deliveries) == 1


async def test_failure_proved_not_applied_may_wait_for_many_attempts(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await open_and_answer(store, activities, Failed("no"))
    activities.back_off(callback.ref, TIMED_OUT)

    async with running_deliverer(store, activities, clock):
        for _ in range(3):
            activities.start(callback.ref)
            activities.back_off(callback.ref, ITS_OWN)
            clock.advance(LONGEST)
            await idle()
        before = await state_of(store, callback)
        activities.start(callback.ref)
        await open_callback(store, activities, callback.ref)
        clock.advance(LONGEST)
        await idle()

    assert before is State.ACCEPTED
    assert await state_of(store, callback) is State.APPLIED


async def test_workflow_reset_supersedes_the_answer_without_follow_reset(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    stays = await open_and_answer(store, activities, Completed(b"1"))
    follows = await open_and_answer(store, activities, Completed(b"2"), follow_reset=True)
    for callback in (stays, follows):
        activities.reset_workflow(callback.ref, "another-run")

    async with running_deliverer(store, activities, clock):
        states = [await state_of(store, callback) for callback in (stays, follows)]

    assert states == [State.SUPERSEDED, State.APPLIED]
    assert [ref.run_id for ref, _, _ in activities.deliveries] == ["another-run"]


async def test_failure_applied_before_a_reset_is_not_delivered_in_the_new_run(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await open_and_answer(store, activities, Failed("try again"), follow_reset=True)
    await lose_the_reply(store, activities, clock)
    moved = activities.reset_workflow(callback.ref, "another-run")
    activities.end(moved, how="workflow terminated")
    clock.advance(LONGEST)

    async with running_deliverer(store, activities, clock):
        assert await state_of(store, callback) is State.APPLIED


async def test_unapplied_failure_is_delivered_in_the_run_after_a_reset(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await open_and_answer(store, activities, Failed("try again"), follow_reset=True)
    await store.claim("a deliverer that died", limit=1, lease=LEASE)
    moved = activities.reset_workflow(callback.ref, "another-run")
    clock.advance(LEASE)

    async with running_deliverer(store, activities, clock):
        before = await state_of(store, callback)
        await open_callback(store, activities, moved, follow_reset=True)
        clock.advance(LONGEST)
        await idle()

    assert before is State.ACCEPTED
    assert await state_of(store, callback) is State.APPLIED


async def test_callback_with_follow_reset_expires_if_the_reset_dropped_its_activity(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await open_and_answer(store, activities, follow_reset=True)
    activities.end(callback.ref, how="workflow terminated")

    async with running_deliverer(store, activities, clock):
        assert await state_of(store, callback) is State.SUPERSEDED


@pytest.mark.parametrize("is_asked", [True, False])
async def test_cancellation_is_delivered_to_the_running_attempt(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, *, is_asked: bool
) -> None:
    callback = await open_and_answer(store, activities, Canceled(b"1"))
    await next_attempt(activities, callback)
    activities.request_cancel(callback.ref)
    if is_asked:
        await open_callback(store, activities, callback.ref)

    async with running_deliverer(store, activities, clock):
        assert await state_of(store, callback) is State.APPLIED


async def test_attempt_that_ends_before_the_delivery_is_resolved_again(
    store: SqlStore, clock: ManualClock
) -> None:
    activities = ActivitiesThatEndMeanwhile()
    callback = await open_and_answer(store, activities, attempts=Attempts.CURRENT)

    async with running_deliverer(store, activities, clock):
        assert await state_of(store, callback) is State.SUPERSEDED


class ActivitiesThatEndMeanwhile(FakeActivities):
    """The activity times out just before the delivery arrives."""

    async def deliver_to_attempt(
        self, callback: Callback, encoded: object, *, identity: str
    ) -> None:
        self.end(callback.ref, how="timed out")
        await super().deliver_to_attempt(callback, encoded, identity=identity)


async def test_failure_without_a_token_ends_the_attempt_with_the_same_number(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    """Such rows come from a database of a Ringback version that stored no tokens."""
    ref = factories.activity_ref()
    activities.schedule(ref)
    (callback,) = await store.open([factories.request(ref=ref, task_token=None)])
    await store.accept([factories.answer(callback.id, Failed("no", non_retryable=True))])

    async with running_deliverer(store, activities, clock):
        assert await state_of(store, callback) is State.APPLIED


async def test_verdict_of_a_paused_process_is_ignored(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    """After it polled, its lease ended, and an attempt received the answer inline and ended."""
    callback = await open_and_answer(store, activities, Completed(b"1"))
    (old_copy,) = await store.claim("frozen", limit=1, lease=LEASE)
    clock.advance(LEASE)
    started_at = callback.attempt_started_at
    await store.deliver_inline(callback.id, worker="w", attempt_started_at=started_at, lease=LEASE)
    activities.end(callback.ref, how="completed", identity="w")

    await store.settle([factories.settlement(old_copy, State.SUPERSEDED)])
    between = await state_of(store, callback)
    clock.advance(LEASE)
    async with running_deliverer(store, activities, clock):
        pass

    assert between is State.ACCEPTED
    assert await state_of(store, callback) is State.APPLIED


async def test_busy_temporal_gets_fewer_concurrent_deliveries_and_none_is_lost(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callbacks = [await open_and_answer(store, activities) for _ in range(100)]
    activities.is_busy = True

    async with running_deliverer(store, activities, clock):
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


async def test_delivery_that_keeps_hitting_a_bug_is_parked_with_the_errors_type(
    store: SqlStore, clock: ManualClock
) -> None:
    activities = ActivitiesThatBreak()
    callback = await open_and_answer(store, activities, Completed(b'"secret"'))

    async with running_deliverer(store, activities, clock):
        for _ in range(TRIES_OF_A_MISTAKE):
            clock.advance(LONGEST)
            await idle()

    after = await reload(store, callback)
    assert after.state is State.PARKED
    assert after.accepted is not None
    assert after.accepted.proof == {"reason": "a bug in Ringback: KeyError"}


class ActivitiesThatBreak(FakeActivities):
    """A delivery raises an unexpected exception, as a user's codec may."""

    async def deliver_to_attempt(
        self, callback: Callback, encoded: object, *, identity: str
    ) -> None:
        msg = f"{callback}, {encoded}, {identity}"
        raise KeyError(msg)


async def test_delivery_without_any_reply_is_parked_after_the_budget(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await open_and_answer(store, activities)
    activities.is_reachable = False

    async with running_deliverer(store, activities, clock):
        clock.advance(BUDGET - timedelta(minutes=1))
        await idle()
        before = await state_of(store, callback)
        for _ in range(3):
            clock.advance(timedelta(minutes=1))
            await idle()

    assert before is State.ACCEPTED
    assert await state_of(store, callback) is State.PARKED
