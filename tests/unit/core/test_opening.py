"""An attempt gets the callback and the answer that earlier attempts left."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from ringback.core.opening import CallbackOpener
from ringback.core.services import run_services
from ringback.domain.activity_state import LastFailure
from ringback.domain.callback import Callback, State
from ringback.domain.errors import ActivityGoneError, TemporalUnreachableError
from ringback.domain.ids import to_identity
from ringback.domain.options import Attempts
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.ports.deliveries import Settlement
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories

REF = factories.activity_ref()
WORKER = "the worker"
TIMED_OUT = LastFailure("timeout", "activity StartToClose timeout", None)


@pytest.fixture
async def opener(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> AsyncIterator[CallbackOpener]:
    activities.schedule(REF)
    opener = CallbackOpener(store, store, activities, clock=clock)
    async with run_services(opener):
        yield opener


async def open_and_answer(opener: CallbackOpener, store: SqlStore, outcome: Outcome) -> Callback:
    callback = await opener.open(factories.request(ref=REF))
    await store.accept([factories.answer(callback.id, outcome)])
    return callback


async def deliver_inline(opener: CallbackOpener, callback: Callback) -> Outcome | None:
    """Return the outcome that the latest attempt ends with."""
    accepted = await opener.deliver_inline(callback, callback.attempt_started_at, worker=WORKER)
    return None if accepted is None else accepted.outcome


async def deliver_inline_and_check(
    opener: CallbackOpener, store: SqlStore, callback: Callback
) -> None:
    found = (await store.find([callback.id]))[callback.id]
    assert await opener.deliver_inline(found, found.attempt_started_at, worker=WORKER) is not None


async def test_second_attempt_gets_the_same_submitted_callback(
    opener: CallbackOpener,
) -> None:
    first = await opener.open(factories.request(ref=REF))
    await opener.mark_submitted(first.id)

    second = await opener.open(factories.request(ref=REF, attempt=2))

    assert second.id == first.id
    assert second.submitted_at is not None


async def test_attempt_without_an_answer_gets_none_inline(opener: CallbackOpener) -> None:
    callback = await opener.open(factories.request(ref=REF))

    assert await opener.deliver_inline(callback, callback.attempt_started_at, worker=WORKER) is None


@pytest.mark.parametrize("outcome", [Completed(b"1"), Failed("no")], ids=repr)
async def test_answer_during_a_backoff_is_delivered_inline_to_the_next_attempt(
    opener: CallbackOpener,
    store: SqlStore,
    activities: FakeActivities,
    outcome: Completed | Failed,
) -> None:
    await open_and_answer(opener, store, outcome)
    activities.back_off(REF, TIMED_OUT)
    activities.start(REF)

    callback = await opener.open(factories.request(ref=REF, attempt=2))

    assert await deliver_inline(opener, callback) == outcome
    found = (await store.find([callback.id]))[callback.id].accepted
    assert found is not None
    assert (found.delivered_inline_to, found.delivered_inline_attempt) == ("the worker", 2)


async def test_answer_in_delivery_is_not_delivered_inline(
    opener: CallbackOpener, store: SqlStore
) -> None:
    await open_and_answer(opener, store, Completed(b"1"))
    await store.claim("a deliverer", limit=1, lease=timedelta(seconds=30))

    callback = await opener.open(factories.request(ref=REF, attempt=2))

    assert await opener.deliver_inline(callback, callback.attempt_started_at, worker=WORKER) is None


async def test_cancellation_is_never_delivered_inline(
    opener: CallbackOpener, store: SqlStore
) -> None:
    await open_and_answer(opener, store, Canceled(None))

    callback = await opener.open(factories.request(ref=REF, attempt=2))

    assert await opener.deliver_inline(callback, callback.attempt_started_at, worker=WORKER) is None


async def test_applied_result_is_returned_to_every_later_attempt(
    opener: CallbackOpener, store: SqlStore
) -> None:
    """An attempt that fails after it received the answer receives it again."""
    callback = await open_and_answer(opener, store, Completed(b"1"))
    await store.settle([Settlement(callback.id, 0, State.APPLIED, {})])

    again = await opener.open(factories.request(ref=REF, attempt=2))

    assert await deliver_inline(opener, again) == Completed(b"1")


async def test_applied_failure_makes_the_next_attempt_open_a_new_callback(
    opener: CallbackOpener, store: SqlStore
) -> None:
    first = await open_and_answer(opener, store, Failed("try again"))
    await store.settle([Settlement(first.id, 0, State.APPLIED, {})])

    second = await opener.open(factories.request(ref=REF, attempt=2))

    assert second.id != first.id
    assert second.accepted is None


async def test_failure_of_the_previous_attempt_is_settled_and_a_new_callback_opened(
    opener: CallbackOpener, store: SqlStore, activities: FakeActivities
) -> None:
    first = await open_and_answer(opener, store, Failed("try again"))
    await deliver_inline_and_check(opener, store, first)
    activities.back_off(REF, LastFailure("application", "try again", None))

    second = await opener.open(factories.request(ref=REF, attempt=2))

    assert second.id != first.id
    assert (await store.find([first.id]))[first.id].state is State.APPLIED


async def test_failure_given_inline_to_a_dying_worker_is_not_lost(
    opener: CallbackOpener, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    """It was delivered inline, but the attempt timed out before Temporal received it."""
    first = await open_and_answer(opener, store, Failed("no"))
    await deliver_inline_and_check(opener, store, first)
    activities.back_off(REF, TIMED_OUT)
    clock.advance(timedelta(seconds=30))

    second = await opener.open(factories.request(ref=REF, attempt=2))

    assert second.id == first.id
    assert await deliver_inline(opener, second) == Failed("no")


async def test_unconfirmed_failure_is_not_delivered_inline_to_an_ended_attempt(
    opener: CallbackOpener, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    """Its worker was paused. With the answer, it would hide how attempt 1 ended."""
    first = await open_and_answer(opener, store, Failed("try again"))
    await store.claim("a deliverer that died", limit=1, lease=timedelta(seconds=15))
    activities.back_off(REF, LastFailure("application", "try again", None, "somebody else"))
    activities.start(REF)
    activities.end(REF, how="timed out")
    clock.advance(timedelta(seconds=15))

    with pytest.raises(ActivityGoneError, match="timed out"):
        await opener.open(factories.request(ref=REF, attempt=2))

    assert (await store.find([first.id]))[first.id].state is State.SUPERSEDED


class StoreClaimedMeanwhile(SqlStore):
    """A deliverer starts its next try just before the first verdict is stored."""

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        await self.claim("a deliverer", limit=1, lease=timedelta(seconds=15))
        await super().settle(settlements)


async def test_verdict_that_was_lost_is_found_by_the_next_try(
    activities: FakeActivities, database: InMemoryDatabase, clock: ManualClock
) -> None:
    store = StoreClaimedMeanwhile(database)
    activities.schedule(REF)
    opener = CallbackOpener(store, store, activities, clock=clock)
    async with run_services(opener):
        first = await open_and_answer(opener, store, Failed("try again"))
        (claimed,) = await store.claim("a deliverer", limit=1, lease=timedelta(seconds=15))
        assert claimed.accepted is not None
        ours = LastFailure("application", "", None, to_identity(claimed.accepted.id))
        activities.back_off(REF, ours)
        clock.advance(timedelta(seconds=15))

        second = await opener.open(factories.request(ref=REF, attempt=2))

    assert second.id != first.id
    assert (await store.find([first.id]))[first.id].state is State.APPLIED


async def test_unconfirmed_failure_waits_until_temporal_replies(
    opener: CallbackOpener, store: SqlStore
) -> None:
    ref = factories.activity_ref()
    callback = await opener.open(factories.request(ref=ref))
    await store.accept([factories.answer(callback.id, Failed("try again"))])
    await store.claim("a deliverer that died", limit=1, lease=timedelta(seconds=15))

    with pytest.raises(TemporalUnreachableError, match="does not say how"):
        await opener.open(factories.request(ref=ref, attempt=2))


async def test_unapplied_failure_of_a_dead_deliverer_is_delivered_inline(
    opener: CallbackOpener, store: SqlStore, activities: FakeActivities
) -> None:
    await open_and_answer(opener, store, Failed("no"))
    await store.claim("a gateway that was killed", limit=1, lease=timedelta(seconds=15))
    activities.back_off(REF, TIMED_OUT)
    activities.start(REF)

    second = await opener.open(factories.request(ref=REF, attempt=2))

    assert await deliver_inline(opener, second) == Failed("no")


@pytest.mark.parametrize(
    ("outcome", "needs_new_callback"),
    [(Failed("no"), True), (Failed("no", non_retryable=True), False), (Completed(b"1"), False)],
    ids=["retried", "final", "completed"],
)
async def test_only_a_parked_retryable_failure_lets_a_later_attempt_open_a_new_callback(
    opener: CallbackOpener, store: SqlStore, outcome: Outcome, *, needs_new_callback: bool
) -> None:
    first = await open_and_answer(opener, store, outcome)
    await store.claim("a deliverer", limit=1, lease=timedelta(seconds=15))
    await store.settle([Settlement(first.id, 1, State.PARKED, {"reason": "beyond proof"})])

    second = await opener.open(factories.request(ref=REF, attempt=2))

    assert (second.id != first.id) is needs_new_callback
    assert (await store.find([first.id]))[first.id].state is State.PARKED


async def test_each_attempt_opens_its_own_callback_with_attempts_current(
    opener: CallbackOpener, store: SqlStore
) -> None:
    first = await opener.open(factories.request(ref=REF, attempts=Attempts.CURRENT))

    second = await opener.open(factories.request(ref=REF, attempt=2, attempts=Attempts.CURRENT))

    assert second.id != first.id
    assert (await store.find([first.id]))[first.id].state is State.EXPIRED


async def test_parked_outcome_is_not_delivered_inline(
    opener: CallbackOpener, store: SqlStore
) -> None:
    callback = await open_and_answer(opener, store, Completed(b"1"))
    await store.settle([Settlement(callback.id, 0, State.PARKED, {"reason": "refused"})])

    again = await opener.open(factories.request(ref=REF, attempt=2))

    assert again.id == callback.id
    assert await opener.deliver_inline(again, again.attempt_started_at, worker=WORKER) is None


async def test_outdated_attempt_does_not_settle_a_later_one(
    opener: CallbackOpener, store: SqlStore
) -> None:
    """Its worker was paused, and the answer is being delivered to attempt 2."""
    second = await opener.open(factories.request(ref=REF, attempt=2))
    await store.accept([factories.answer(second.id, Failed("try again"))])
    await store.claim("a deliverer", limit=1, lease=timedelta(seconds=15))

    first = await opener.open(factories.request(ref=REF))

    assert (
        await opener.deliver_inline(
            first, factories.request(ref=REF).attempt.started_at, worker=WORKER
        )
        is None
    )
    accepted = (await store.find([first.id]))[first.id].accepted
    assert accepted is not None
    assert accepted.unconfirmed_attempt == 2


@pytest.mark.parametrize(("verdict", "is_same"), [(State.APPLIED, True), (State.SUPERSEDED, False)])
async def test_only_an_applied_result_is_the_result_in_the_run_that_a_reset_made(
    opener: CallbackOpener,
    store: SqlStore,
    activities: FakeActivities,
    *,
    verdict: State,
    is_same: bool,
) -> None:
    first = await opener.open(factories.request(ref=REF, follow_reset=True))
    await store.accept([factories.answer(first.id, Completed(b"1"))])
    await store.settle([Settlement(first.id, 0, verdict, {})])
    moved = activities.reset_workflow(REF, "the run after the reset")

    second = await opener.open(factories.request(ref=moved, attempt=2, follow_reset=True))

    assert (second.id == first.id) is is_same
    assert await deliver_inline(opener, second) == (Completed(b"1") if is_same else None)
