"""`resume`: the gateway ends the attempt that waits, and the next one continues with the answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from ringback.core.delivery import LEASE
from ringback.core.hooks import Hooks
from ringback.core.opening import CallbackOpener
from ringback.core.resume import RESUME_PAUSES
from ringback.core.services import run_services
from ringback.domain.activity_state import LastFailure
from ringback.domain.callback import (
    Accepted,
    Callback,
    State,
)
from ringback.domain.deadlines import MAX_RESUME_LEAD, default_due_at
from ringback.domain.durations import LONGEST
from ringback.domain.errors import ActivityGoneError, TemporalUnreachableError
from ringback.domain.ids import to_resume_identity
from ringback.domain.options import check_options
from ringback.domain.outcome import RESUME_TYPE, Canceled, Completed, Failed, Outcome
from ringback.ports.deliveries import Settlement
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.loops import idle
from tests.unit.core.callbacks import (
    open_and_answer,
    open_callback,
    reload,
    running_deliverer,
    state_of,
)

WORKER = "the worker"
OWN = LastFailure("application", "out of stock", None, "PythonSDK")


class RecordedVerdicts(Hooks):
    """Records the verdicts that are reported."""

    def __init__(self) -> None:
        self.verdicts: list[State] = []

    def outcomes_settled(self, settlements: Sequence[Settlement]) -> None:
        self.verdicts += [settlement.verdict for settlement in settlements]


@pytest.fixture
async def opener(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> AsyncIterator[CallbackOpener]:
    opener = CallbackOpener(store, store, activities, clock=clock)
    async with run_services(opener):
        yield opener


async def answered(
    store: SqlStore, activities: FakeActivities, outcome: Outcome, *, is_submitted: bool = True
) -> Callback:
    """Return the callback of an attempt that waits with `resume`, and its accepted outcome."""
    callback = await open_and_answer(store, activities, outcome, resume=True)
    if is_submitted:
        await store.mark_submitted([callback.id])
    return await reload(store, callback)


async def next_attempt(
    store: SqlStore, activities: FakeActivities, opener: CallbackOpener, callback: Callback
) -> Accepted | None:
    """Start the next attempt, and return the outcome that it receives inline."""
    activities.start(callback.ref)
    opened = await open_callback(store, activities, callback.ref, resume=True)
    return await opener.deliver_inline(opened, opened.attempt_started_at, worker=WORKER)


def deliveries(activities: FakeActivities) -> list[tuple[str | None, str]]:
    """Return type and identity of what was sent to Temporal."""
    return [(getattr(sent, "type", None), by) for _, sent, by in activities.deliveries]


def accepted_of(callback: Callback) -> Accepted:
    assert callback.accepted is not None
    return callback.accepted


@pytest.mark.parametrize(
    "outcome", [Completed(b"1"), Failed("no", non_retryable=True), Failed("busy")], ids=repr
)
async def test_attempt_that_waits_is_ended_and_the_next_one_receives_the_outcome(
    store: SqlStore,
    activities: FakeActivities,
    clock: ManualClock,
    opener: CallbackOpener,
    outcome: Outcome,
) -> None:
    callback = await answered(store, activities, outcome)
    async with running_deliverer(store, activities, clock):
        pass

    received = await next_attempt(store, activities, opener, callback)
    await opener.resumption.confirm(callback.id, 2)

    assert received is not None
    assert received.outcome == outcome
    after = await reload(store, callback)
    assert after.state is State.APPLIED
    assert accepted_of(after).proof == {"continued": 2, "by": WORKER}
    identity = to_resume_identity(accepted_of(callback).id)
    assert deliveries(activities) == [(RESUME_TYPE, identity)]


async def test_attempt_that_has_not_submitted_is_not_ended(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await answered(store, activities, Completed(b"1"), is_submitted=False)
    async with running_deliverer(store, activities, clock):
        assert activities.attempt(callback.ref) == 1
        await store.mark_submitted([callback.id])
        clock.advance(LONGEST)
        await idle()

    assert activities.attempt(callback.ref) == 2


async def test_attempt_that_received_the_outcome_is_not_ended(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, opener: CallbackOpener
) -> None:
    callback = await answered(store, activities, Completed(b"1"))
    async with running_deliverer(store, activities, clock):
        pass
    await next_attempt(store, activities, opener, callback)
    clock.advance(LEASE)

    async with running_deliverer(store, activities, clock):
        pass

    assert activities.attempt(callback.ref) == 2
    assert await state_of(store, callback) is State.ACCEPTED


async def test_attempt_that_opened_with_the_outcome_there_is_not_ended(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, opener: CallbackOpener
) -> None:
    """A gateway claims the outcome between the two steps of the attempt's request."""
    callback = await answered(store, activities, Completed(b"1"))
    async with running_deliverer(store, activities, clock):
        pass
    activities.start(callback.ref)
    opened = await open_callback(store, activities, callback.ref, resume=True)
    clock.advance(LONGEST)

    async with running_deliverer(store, activities, clock):
        assert activities.attempt(callback.ref) == 2
    received = await opener.deliver_inline(opened, opened.attempt_started_at, worker=WORKER)

    assert received is not None
    await opener.resumption.confirm(callback.id, 2)
    assert await state_of(store, callback) is State.APPLIED


async def test_attempt_that_opened_while_the_outcome_was_parked_is_ended_after_redelivery(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, opener: CallbackOpener
) -> None:
    callback = await answered(store, activities, Completed(b"1"))
    tries = accepted_of(callback).tries
    await store.settle([Settlement(callback.id, tries, State.PARKED, {"reason": "a bug"})])
    activities.back_off(callback.ref, OWN)
    assert await next_attempt(store, activities, opener, callback) is None

    await store.redeliver(callback.id)
    async with running_deliverer(store, activities, clock):
        pass

    assert [type_ for type_, _ in deliveries(activities)] == [RESUME_TYPE]


async def test_superseded_outcome_is_not_used_by_a_later_attempt(
    store: SqlStore, activities: FakeActivities
) -> None:
    """An operator resets a workflow that had ended; its sender knows that the answer was late."""
    callback = await answered(store, activities, Completed(b"1"))
    tries = accepted_of(callback).tries
    await store.settle([Settlement(callback.id, tries, State.SUPERSEDED, {"closed": "canceled"})])
    activities.back_off(callback.ref, OWN)
    activities.start(callback.ref)

    again = await open_callback(store, activities, callback.ref, resume=True)

    assert again.id != callback.id
    assert again.state is State.OPEN


@pytest.mark.parametrize("resume", [True, False])
async def test_attempt_that_received_no_outcome_cannot_confirm_one(
    store: SqlStore, activities: FakeActivities, opener: CallbackOpener, *, resume: bool
) -> None:
    callback = await open_and_answer(store, activities, Completed(b"1"), resume=resume)

    with pytest.raises(ActivityGoneError, match="attempt 1 has received no answer"):
        await opener.resumption.confirm(callback.id, 1)

    assert await state_of(store, callback) is State.ACCEPTED


async def test_confirmed_outcome_is_reported_once(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    hooks = RecordedVerdicts()
    opener = CallbackOpener(store, store, activities, clock=clock, hooks=hooks)
    callback = await answered(store, activities, Completed(b"1"))
    async with running_deliverer(store, activities, clock):
        pass
    await next_attempt(store, activities, opener, callback)

    await opener.resumption.confirm(callback.id, 2)
    await opener.resumption.confirm(callback.id, 2)

    assert hooks.verdicts == [State.APPLIED]


def test_default_is_due_early_enough_for_another_attempt() -> None:
    now = factories.NOW
    in_10_s, in_an_hour = now + timedelta(seconds=10), now + timedelta(hours=1)

    assert default_due_at(now, None, in_10_s, resume=True) == now + timedelta(seconds=5)
    assert default_due_at(now, None, in_an_hour, resume=True) == in_an_hour - MAX_RESUME_LEAD


async def test_attempt_after_one_that_failed_receives_the_same_result(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, opener: CallbackOpener
) -> None:
    callback = await answered(store, activities, Completed(b"1"))
    async with running_deliverer(store, activities, clock):
        pass
    await next_attempt(store, activities, opener, callback)
    await opener.resumption.confirm(callback.id, 2)
    activities.back_off(callback.ref, OWN)

    received = await next_attempt(store, activities, opener, callback)
    await opener.resumption.confirm(callback.id, 3)

    assert received is not None
    assert received.outcome == Completed(b"1")


@pytest.mark.parametrize(
    ("failure", "is_same"), [(Failed("busy"), False), (Failed("no", non_retryable=True), True)]
)
async def test_only_a_retryable_failure_that_an_attempt_continued_with_opens_a_new_callback(
    store: SqlStore,
    activities: FakeActivities,
    clock: ManualClock,
    opener: CallbackOpener,
    *,
    failure: Failed,
    is_same: bool,
) -> None:
    callback = await answered(store, activities, failure)
    async with running_deliverer(store, activities, clock):
        pass
    await next_attempt(store, activities, opener, callback)
    await opener.resumption.confirm(callback.id, 2)
    activities.back_off(callback.ref, OWN)
    activities.start(callback.ref)

    again = await open_callback(store, activities, callback.ref, resume=True)

    assert (again.id == callback.id) is is_same


async def test_activity_that_ends_before_an_attempt_continued_supersedes_the_outcome(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, opener: CallbackOpener
) -> None:
    """Also when the attempt had received it: its code behind the wait has not run."""
    callback = await answered(store, activities, Completed(b"1"))
    async with running_deliverer(store, activities, clock):
        pass
    await next_attempt(store, activities, opener, callback)
    activities.end(callback.ref, how="completed", identity=WORKER)
    clock.advance(LEASE)

    with pytest.raises(ActivityGoneError):
        await opener.resumption.confirm(callback.id, 2)
    async with running_deliverer(store, activities, clock):
        assert await state_of(store, callback) is State.SUPERSEDED


async def test_retryable_failure_is_not_judged_by_how_other_attempts_ended(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    """A gateway died with its claim, and two attempts have ended since."""
    callback = await answered(store, activities, Failed("busy"))
    await store.claim("another", limit=1, lease=LEASE)
    for _ in range(2):
        activities.back_off(callback.ref, OWN)
        activities.start(callback.ref)
    clock.advance(LEASE)

    async with running_deliverer(store, activities, clock):
        assert await state_of(store, callback) is State.ACCEPTED


async def test_attempt_that_was_replaced_cannot_continue(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, opener: CallbackOpener
) -> None:
    callback = await answered(store, activities, Completed(b"1"))
    async with running_deliverer(store, activities, clock):
        pass
    await next_attempt(store, activities, opener, callback)
    activities.back_off(callback.ref, OWN)
    await next_attempt(store, activities, opener, callback)

    with pytest.raises(ActivityGoneError, match="attempt 2 does not run any more"):
        await opener.resumption.confirm(callback.id, 2)


async def test_activity_that_was_asked_to_cancel_is_canceled(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await answered(store, activities, Completed(b"1"))
    activities.request_cancel(callback.ref)

    async with running_deliverer(store, activities, clock):
        after = await reload(store, callback)

    assert after.state is State.SUPERSEDED
    assert (accepted_of(after).proof or {})["closed"] == "canceled"


async def test_reported_cancellation_ends_the_activity_at_once(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await answered(store, activities, Canceled(None))
    activities.request_cancel(callback.ref)

    async with running_deliverer(store, activities, clock):
        assert await state_of(store, callback) is State.APPLIED


async def test_attempt_that_runs_on_after_an_operator_s_reset_is_ended_by_ids(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, opener: CallbackOpener
) -> None:
    ref = factories.activity_ref()
    activities.schedule(ref)
    await open_callback(store, activities, ref, resume=True)
    activities.back_off(ref, OWN)
    activities.start(ref)
    callback = await open_callback(store, activities, ref, resume=True)
    await store.mark_submitted([callback.id])
    await store.accept([factories.answer(callback.id, Completed(b"1"))])
    activities.reset(ref)

    async with running_deliverer(store, activities, clock):
        pass

    received = await next_attempt(store, activities, opener, callback)
    assert received is not None


async def test_attempt_waits_for_a_gateway_that_has_claimed_its_outcome(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, opener: CallbackOpener
) -> None:
    callback = await answered(store, activities, Completed(b"1"))
    activities.back_off(callback.ref, OWN)
    await store.claim("another", limit=1, lease=LEASE)

    async with asyncio.TaskGroup() as group:
        receiving = group.create_task(next_attempt(store, activities, opener, callback))
        await idle()
        await store.release("another")
        clock.advance(timedelta(seconds=1))
        received = await receiving

    assert received is not None


async def test_attempt_fails_if_its_outcome_stays_claimed(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, opener: CallbackOpener
) -> None:
    callback = await answered(store, activities, Completed(b"1"))
    activities.back_off(callback.ref, OWN)
    await store.claim("another", limit=1, lease=LEASE)

    receiving = asyncio.ensure_future(next_attempt(store, activities, opener, callback))
    for pause in RESUME_PAUSES:
        await idle()
        clock.advance(pause)
    with pytest.raises(TemporalUnreachableError, match="another gateway"):
        await receiving


class StoreClaimedOften(SqlStore):
    """Another deliverer claims the outcome before each of the first verdicts."""

    claims = 0

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        if self.claims > 0:
            self.claims -= 1
            await self.claim("another", limit=1, lease=timedelta(0))
        await super().settle(settlements)


@pytest.mark.parametrize("claims", [2, 9])
async def test_confirmation_is_repeated_after_claims_of_other_gateways(
    database: InMemoryDatabase, activities: FakeActivities, clock: ManualClock, *, claims: int
) -> None:
    busy = StoreClaimedOften(database)
    opener = CallbackOpener(busy, busy, activities, clock=clock)
    callback = await answered(busy, activities, Completed(b"1"))
    async with run_services(opener):
        async with running_deliverer(busy, activities, clock):
            pass
        await next_attempt(busy, activities, opener, callback)
        clock.advance(LEASE)
        busy.claims = claims
        if claims == 2:
            await opener.resumption.confirm(callback.id, 2)
        else:
            with pytest.raises(TemporalUnreachableError, match="claimed"):
                await opener.resumption.confirm(callback.id, 2)

    assert (await state_of(busy, callback) is State.APPLIED) is (claims == 2)


def test_each_attempt_for_itself_cannot_resume() -> None:
    with pytest.raises(ValueError, match="resume needs attempts='any'"):
        check_options({"resume": True, "attempts": "current"})
