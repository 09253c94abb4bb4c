"""Every accepted outcome is delivered to Temporal once, and its end is proved."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from ringback.core.delivery import LEASE, MAX_UNSETTLED, Deliverer
from ringback.core.delivery_pacer import MOST, PACE, SLOTS, SLOW
from ringback.core.services import run_services
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.core.verdicts import TRIES_WITHOUT_A_TRACE
from ringback.domain.activity_state import ActivityState, LastFailure
from ringback.domain.callback import ActivityExecution, Callback, State
from ringback.domain.durations import LONGEST
from ringback.domain.errors import EncodingError, StoreUnavailableError
from ringback.domain.ids import to_identity
from ringback.domain.options import Attempts
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.ports.deliveries import MOST_CLAIMED_BYTES, Postponement, Settlement
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.loops import idle
from tests.unit.core.callbacks import open_and_answer, open_callback, reload, state_of

TIMED_OUT = LastFailure("timeout", "activity StartToClose timeout", None)


@pytest.fixture
def verdicts(store: SqlStore, clock: ManualClock) -> VerdictWaiter:
    return VerdictWaiter(store, clock)


@pytest.fixture
def deliverer(
    store: SqlStore, activities: FakeActivities, verdicts: VerdictWaiter, clock: ManualClock
) -> Deliverer:
    return make_deliverer(store, activities, verdicts, clock)


def make_deliverer(
    store: SqlStore, activities: FakeActivities, verdicts: VerdictWaiter, clock: ManualClock
) -> Deliverer:
    return Deliverer(store, activities, verdicts, clock=clock, jitter=lambda: 1.0, owner="me")


def state_or_none(callback: Callback | None) -> State | None:
    return None if callback is None else callback.state


def identity(callback: Callback) -> str:
    assert callback.accepted is not None
    return to_identity(callback.accepted.id)


async def test_outcome_is_applied_under_its_identity(
    store: SqlStore, activities: FakeActivities, deliverer: Deliverer
) -> None:
    callback = await open_and_answer(store, activities, Completed(b"1"))

    async with run_services(deliverer):
        await idle()

    assert activities.deliveries == [(callback.ref, Completed(b"1"), identity(callback))]
    found = (await store.find([callback.id]))[callback.id]
    assert found.state is State.APPLIED
    assert found.accepted is not None
    assert found.accepted.proof == {"by": identity(callback)}


async def test_wake_delivers_an_outcome_at_once(
    store: SqlStore, activities: FakeActivities, deliverer: Deliverer
) -> None:
    async with run_services(deliverer):
        await idle()
        callback = await open_and_answer(store, activities)
        await idle()
        before = await state_of(store, callback)

        deliverer.wake()
        await idle()

        assert before is State.ACCEPTED
        assert await state_of(store, callback) is State.APPLIED


async def test_outcome_of_another_process_is_claimed_without_a_wake(
    store: SqlStore, activities: FakeActivities, deliverer: Deliverer, clock: ManualClock
) -> None:
    async with run_services(deliverer):
        await idle()
        callback = await open_and_answer(store, activities)

        clock.advance(timedelta(seconds=1))
        await idle()

        assert await state_of(store, callback) is State.APPLIED


async def test_many_outcomes_are_all_delivered(
    store: SqlStore, activities: FakeActivities, deliverer: Deliverer
) -> None:
    callbacks = [await open_and_answer(store, activities) for _ in range(3 * SLOTS)]

    async with run_services(deliverer):
        await idle()

        assert len(activities.deliveries) == len(callbacks)
        assert {await state_of(store, callback) for callback in callbacks} == {State.APPLIED}


async def test_outcome_is_retried_with_backoff_while_temporal_is_away(
    store: SqlStore, activities: FakeActivities, deliverer: Deliverer, clock: ManualClock
) -> None:
    callback = await open_and_answer(store, activities)
    activities.is_reachable = False

    async with run_services(deliverer):
        await idle()
        first = await store.next_due()
        clock.advance(timedelta(milliseconds=100))
        await idle()
        second = await store.next_due()
        activities.is_reachable = True
        clock.advance(timedelta(milliseconds=200))
        await idle()

        assert (first, second) == (timedelta(milliseconds=100), timedelta(milliseconds=200))
        assert await state_of(store, callback) is State.APPLIED


@pytest.mark.parametrize(
    "outcome", [Completed(b"1"), Failed("no", non_retryable=True)], ids=["completed", "failed"]
)
async def test_identity_in_history_proves_a_delivery_whose_reply_was_lost(
    store: SqlStore,
    activities: FakeActivities,
    deliverer: Deliverer,
    clock: ManualClock,
    outcome: Outcome,
) -> None:
    callback = await open_and_answer(store, activities, outcome)
    activities.loses_replies = True

    async with run_services(deliverer):
        await idle()
        before = await state_of(store, callback)
        clock.advance(timedelta(milliseconds=100))
        await idle()

    found = (await store.find([callback.id]))[callback.id]
    assert before is State.ACCEPTED
    assert found.state is State.APPLIED
    assert found.accepted is not None
    assert (found.accepted.proof or {})["by"] == identity(callback)
    assert len(activities.deliveries) == 1


async def test_retryable_failure_with_a_lost_reply_does_not_fail_the_next_attempt(
    store: SqlStore, activities: FakeActivities, deliverer: Deliverer, clock: ManualClock
) -> None:
    callback = await open_and_answer(store, activities, Failed("try again"))
    activities.loses_replies = True

    async with run_services(deliverer):
        await idle()
        activities.start(callback.ref)
        clock.advance(timedelta(milliseconds=100))
        await idle()

    assert len(activities.deliveries) == 1
    assert await state_of(store, callback) is State.APPLIED


@pytest.mark.parametrize(
    "how", ["completed", "failed", "timed out", "canceled", "workflow terminated"]
)
async def test_activity_that_ended_in_another_way_supersedes_the_outcome(
    store: SqlStore, activities: FakeActivities, deliverer: Deliverer, how: str
) -> None:
    callback = await open_and_answer(store, activities)
    activities.end(callback.ref, how=how, identity="somebody else")

    async with run_services(deliverer):
        await idle()

    found = (await store.find([callback.id]))[callback.id]
    assert found.state is State.SUPERSEDED
    assert found.accepted is not None
    assert (found.accepted.proof or {})["closed"] == how


async def test_rejected_delivery_is_parked_with_its_reason(
    store: SqlStore, activities: FakeActivities, deliverer: Deliverer
) -> None:
    callback = await open_and_answer(store, activities, Canceled(None))

    async with run_services(deliverer):
        await idle()

    found = (await store.find([callback.id]))[callback.id]
    assert found.state is State.PARKED
    assert found.accepted is not None
    assert "request canceled first" in str(found.accepted.proof)


async def test_outcome_of_an_activity_that_stays_unknown_is_parked(
    store: SqlStore, deliverer: Deliverer, clock: ManualClock
) -> None:
    (callback,) = await store.open([factories.request()])
    await store.accept([factories.answer(callback.id)])

    async with run_services(deliverer):
        await idle()
        before = await state_of(store, callback)
        for _ in range(TRIES_WITHOUT_A_TRACE):
            clock.advance(LONGEST)
            await idle()

    assert before is State.ACCEPTED
    assert await state_of(store, callback) is State.PARKED


async def test_failure_during_a_backoff_waits_for_the_next_attempt(
    store: SqlStore, activities: FakeActivities, deliverer: Deliverer, clock: ManualClock
) -> None:
    callback = await open_and_answer(store, activities, Failed("no", non_retryable=True))
    activities.back_off(callback.ref, TIMED_OUT)

    async with run_services(deliverer):
        await idle()
        before = await state_of(store, callback)
        activities.start(callback.ref)
        clock.advance(timedelta(milliseconds=100))
        await idle()
        unasked = await state_of(store, callback)
        await open_callback(store, activities, callback.ref)
        clock.advance(LONGEST)
        await idle()

        assert (before, unasked) == (State.ACCEPTED, State.ACCEPTED)
        assert await state_of(store, callback) is State.APPLIED


async def test_result_during_a_backoff_is_applied_at_once(
    store: SqlStore, activities: FakeActivities, deliverer: Deliverer
) -> None:
    callback = await open_and_answer(store, activities, Completed(b"1"))
    activities.back_off(callback.ref, TIMED_OUT)

    async with run_services(deliverer):
        await idle()

    assert await state_of(store, callback) is State.APPLIED


async def test_failure_that_an_attempt_raised_inline_is_applied_and_not_sent_again(
    store: SqlStore, activities: FakeActivities, deliverer: Deliverer, clock: ManualClock
) -> None:
    callback = await open_and_answer(store, activities, Failed("no"))
    await store.deliver_inline(
        callback.id, worker="w", attempt_started_at=callback.attempt_started_at, lease=LEASE
    )
    activities.back_off(callback.ref, LastFailure("application", "no", None))
    activities.start(callback.ref)
    clock.advance(LEASE)

    async with run_services(deliverer):
        await idle()

    assert activities.deliveries == []
    assert await state_of(store, callback) is State.APPLIED


async def test_failure_given_inline_to_a_dead_worker_is_delivered_after_the_lease(
    store: SqlStore, activities: FakeActivities, deliverer: Deliverer, clock: ManualClock
) -> None:
    callback = await open_and_answer(store, activities, Failed("no"))
    await store.deliver_inline(
        callback.id, worker="w", attempt_started_at=callback.attempt_started_at, lease=LEASE
    )

    async with run_services(deliverer):
        await idle()
        before = list(activities.deliveries)
        clock.advance(LEASE)
        await idle()

    assert before == []
    assert len(activities.deliveries) == 1


async def test_result_that_an_attempt_returned_inline_is_applied(
    store: SqlStore, activities: FakeActivities, deliverer: Deliverer, clock: ManualClock
) -> None:
    callback = await open_and_answer(store, activities, Completed(b"1"))
    await store.deliver_inline(
        callback.id, worker="w", attempt_started_at=callback.attempt_started_at, lease=LEASE
    )
    activities.end(callback.ref, how="completed", identity="w")
    clock.advance(LEASE)

    async with run_services(deliverer):
        await idle()

    assert await state_of(store, callback) is State.APPLIED


async def test_webhooks_are_sent_after_an_outage_of_the_store(
    store: SqlStore,
    database: InMemoryDatabase,
    activities: FakeActivities,
    deliverer: Deliverer,
    clock: ManualClock,
) -> None:
    callback = await open_and_answer(store, activities)
    database.is_available = False

    async with run_services(deliverer):
        await idle()
        database.is_available = True
        clock.advance(timedelta(seconds=1))
        await idle()

        assert await state_of(store, callback) is State.APPLIED


async def test_wait_returns_the_verdict(
    store: SqlStore,
    activities: FakeActivities,
    verdicts: VerdictWaiter,
    deliverer: Deliverer,
) -> None:
    callback = await open_and_answer(store, activities)
    waiting = asyncio.ensure_future(verdicts.wait(callback.id, within=timedelta(seconds=5)))

    async with run_services(deliverer):
        await idle()

        assert state_or_none(await waiting) is State.APPLIED


async def test_wait_without_a_verdict_returns_the_state_after_the_timeout(
    store: SqlStore, activities: FakeActivities, verdicts: VerdictWaiter, clock: ManualClock
) -> None:
    callback = await open_and_answer(store, activities)
    waiting = asyncio.ensure_future(verdicts.wait(callback.id, within=timedelta(milliseconds=500)))

    await idle()
    clock.advance(timedelta(milliseconds=500))

    assert state_or_none(await waiting) is State.ACCEPTED


async def test_waits_for_one_verdict_have_their_own_timeouts(
    store: SqlStore, activities: FakeActivities, verdicts: VerdictWaiter, clock: ManualClock
) -> None:
    callback = await open_and_answer(store, activities)
    short, long = (
        asyncio.ensure_future(verdicts.wait(callback.id, within=timedelta(milliseconds=wait)))
        for wait in (100, 400)
    )

    await idle()
    clock.advance(timedelta(milliseconds=100))
    await idle()

    assert short.done()
    assert not long.done()
    await store.settle([Settlement(callback.id, 0, State.APPLIED, {})])
    verdicts.announce([callback.id])
    assert state_or_none(await long) is State.APPLIED


async def test_wait_continues_while_the_store_is_away(
    store: SqlStore,
    database: InMemoryDatabase,
    activities: FakeActivities,
    verdicts: VerdictWaiter,
    clock: ManualClock,
) -> None:
    callback = await open_and_answer(store, activities)
    database.is_available = False
    patient, hasty = (
        asyncio.ensure_future(verdicts.wait(callback.id, within=timedelta(seconds=seconds)))
        for seconds in (5, 1)
    )
    for _ in range(2):
        await idle()
        clock.advance(timedelta(milliseconds=500))
    await idle()

    database.is_available = True
    await store.settle([Settlement(callback.id, 0, State.APPLIED, {})])
    verdicts.announce([callback.id])

    assert await hasty is None
    assert state_or_none(await patient) is State.APPLIED


class ActivitiesWithACodecThatHangs(FakeActivities):
    """Encoding the outcome `1` hangs until it is released to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.gives_up = asyncio.Event()

    async def encode(self, callback: Callback, outcome: Outcome) -> Outcome:
        if outcome == Completed(b"1"):
            await self.gives_up.wait()
            msg = "the data converter did not return within 5 s"
            raise EncodingError(msg)
        return await super().encode(callback, outcome)


async def test_outcomes_are_delivered_while_all_slots_have_hanging_encodings(
    store: SqlStore, verdicts: VerdictWaiter, clock: ManualClock
) -> None:
    activities = ActivitiesWithACodecThatHangs()
    hanging = [
        await open_and_answer(store, activities, Completed(b"1")) for _ in range(MOST + SLOTS)
    ]
    clock.advance(timedelta(milliseconds=1))
    other = await open_and_answer(store, activities, Completed(b"2"))
    deliverer = make_deliverer(store, activities, verdicts, clock)

    async with run_services(deliverer):
        for _ in range(MOST // SLOTS + 2):
            await idle()
            clock.advance(SLOW)
        await idle()
        under_way = {await state_of(store, callback) for callback in hanging}
        delivered = await state_of(store, other)
        activities.gives_up.set()
        for _ in range(3):
            await idle()
            clock.advance(timedelta(milliseconds=50))

    assert (under_way, delivered) == ({State.ACCEPTED}, State.APPLIED)
    postponed = (await reload(store, hanging[0])).accepted
    assert postponed is not None
    assert postponed.last_error == "the data converter did not return within 5 s"


class StoreThatCannotClaim(SqlStore):
    """Reads succeed and writes fail, as on a full disk."""

    def __init__(self, database: InMemoryDatabase) -> None:
        super().__init__(database)
        self.claims = 0

    async def claim(self, owner: str, **given: Any) -> Sequence[Callback]:
        self.claims += 1
        msg = f"disk full: {owner}, {given}"
        raise StoreUnavailableError(msg)


async def test_failing_claims_are_retried_after_a_rest(
    activities: FakeActivities,
    verdicts: VerdictWaiter,
    database: InMemoryDatabase,
    clock: ManualClock,
) -> None:
    store = StoreThatCannotClaim(database)
    await open_and_answer(store, activities)
    deliverer = make_deliverer(store, activities, verdicts, clock)

    async with run_services(deliverer):
        await idle()
        claims = store.claims
        clock.advance(timedelta(seconds=1))
        await idle()

    assert (claims, store.claims) == (1, 2)


class ActivitiesThatBreak(FakeActivities):
    """A delivery raises an unexpected exception, as a user's codec may."""

    async def deliver_to_attempt(
        self, callback: Callback, encoded: object, *, identity: str
    ) -> None:
        msg = f"{callback}, {encoded}, {identity}"
        raise KeyError(msg)


async def test_delivery_that_hits_a_bug_is_retried_and_logs_no_payload(
    store: SqlStore, verdicts: VerdictWaiter, clock: ManualClock
) -> None:
    activities = ActivitiesThatBreak()
    callback = await open_and_answer(store, activities, Completed(b'"secret"'))
    deliverer = make_deliverer(store, activities, verdicts, clock)

    async with run_services(deliverer):
        await idle()

    found = (await store.find([callback.id]))[callback.id].accepted
    assert found is not None
    assert found.last_error == "a bug in Ringback: KeyError"


async def test_deliverer_that_stops_releases_its_claims(
    store: SqlStore, activities: FakeActivities, deliverer: Deliverer
) -> None:
    callback = await open_and_answer(store, activities)
    activities.is_frozen.set()

    async with run_services(deliverer):
        await idle()
        while_running = await store.claim("other", limit=1, lease=LEASE)

    after = await store.claim("other", limit=1, lease=LEASE)
    assert while_running == []
    assert [one.id for one in after] == [callback.id]


async def test_claims_never_exceed_the_free_slots(
    store: SqlStore, activities: FakeActivities, deliverer: Deliverer
) -> None:
    callbacks = [await open_and_answer(store, activities) for _ in range(SLOTS + 1)]
    activities.is_frozen.set()

    async with run_services(deliverer):
        await idle()
        left = await store.claim("other", limit=SLOTS, lease=LEASE)

    assert [one.id for one in left] == [callbacks[-1].id]


class ActivitiesThatStandStill(FakeActivities):
    """The process is paused right after it has resolved the activity."""

    def __init__(self, clock: ManualClock, stands_still_for: timedelta) -> None:
        super().__init__()
        self.time = clock
        self.stands_still_for = stands_still_for

    async def resolve(self, ref: ActivityExecution) -> ActivityState:
        found = await super().resolve(ref)
        self.time.advance(self.stands_still_for)
        self.stands_still_for = timedelta(0)
        return found


async def test_process_paused_beyond_its_lease_does_not_deliver(
    store: SqlStore, verdicts: VerdictWaiter, clock: ManualClock
) -> None:
    activities = ActivitiesThatStandStill(clock, LEASE)
    callback = await open_and_answer(store, activities, attempts=Attempts.CURRENT)
    deliverer = make_deliverer(store, activities, verdicts, clock)

    async with run_services(deliverer):
        await idle()
        before = list(activities.deliveries)
        clock.advance(LEASE)
        await idle()

    assert before == []
    assert await state_of(store, callback) is State.APPLIED


async def test_one_outcome_at_a_time_probes_temporal_while_it_is_away(
    store: SqlStore, activities: FakeActivities, deliverer: Deliverer, clock: ManualClock
) -> None:
    callbacks = [await open_and_answer(store, activities) for _ in range(2 * SLOTS)]
    activities.is_reachable = False

    async with run_services(deliverer):
        await idle()
        at_once = await tries(store, callbacks)
        clock.advance(timedelta(milliseconds=100))
        await idle()
        later = await tries(store, callbacks)
        activities.is_reachable = True
        clock.advance(LONGEST)
        for _ in range(5):
            await idle()

        assert (at_once, later) == (SLOTS, SLOTS + 1)
        assert {await state_of(store, callback) for callback in callbacks} == {State.APPLIED}


async def tries(store: SqlStore, callbacks: list[Callback]) -> int:
    found = await store.find([callback.id for callback in callbacks])
    return sum(one.accepted.tries for one in found.values() if one.accepted)


class GatedActivities(FakeActivities):
    """Deliveries start, and end when the test releases them."""

    def __init__(self) -> None:
        super().__init__()
        self.places = asyncio.Semaphore(0)
        self.begun = 0

    async def deliver_to_attempt(
        self, callback: Callback, encoded: object, *, identity: str
    ) -> None:
        self.begun += 1
        await self.places.acquire()
        await super().deliver_to_attempt(callback, encoded, identity=identity)

    async def let(self, count: int) -> None:
        """Release `count` deliveries, one after another."""
        for _ in range(count):
            self.places.release()
            await idle()


class CountingStore(SqlStore):
    """Records the number of items of each call."""

    def __init__(self, database: InMemoryDatabase) -> None:
        super().__init__(database)
        self.claims: list[int] = []
        self.verdicts: list[int] = []
        self.is_slow = asyncio.Event()

    async def claim(self, owner: str, **given: Any) -> Sequence[Callback]:
        self.claims.append(given["limit"])
        return await super().claim(owner, **given)

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        if self.is_slow.is_set():
            await asyncio.Event().wait()
        self.verdicts.append(len(settlements))
        await super().settle(settlements)


@pytest.fixture
def counting_store(database: InMemoryDatabase) -> CountingStore:
    return CountingStore(database)


@pytest.fixture
def gated_activities() -> GatedActivities:
    return GatedActivities()


async def test_claim_waits_for_many_free_slots(
    counting_store: CountingStore,
    gated_activities: GatedActivities,
    verdicts: VerdictWaiter,
    clock: ManualClock,
) -> None:
    # Each delivery that ends raises the limit by one: then at most half of the slots are used.
    enough = SLOTS // 3 + 1
    for _ in range(3 * SLOTS):
        await open_and_answer(counting_store, gated_activities)

    deliverer = make_deliverer(counting_store, gated_activities, verdicts, clock)
    async with run_services(deliverer):
        await idle()
        await gated_activities.let(enough - 1)
        deliverer.wake()
        await idle()
        before = list(counting_store.claims)
        await gated_activities.let(1)

        assert before == [SLOTS]
        assert counting_store.claims == [SLOTS, 2 * enough]


async def test_claims_leave_large_outcomes_until_others_have_been_delivered(
    store: SqlStore,
    gated_activities: GatedActivities,
    verdicts: VerdictWaiter,
    clock: ManualClock,
) -> None:
    half = Completed(b'"' + b"a" * (MOST_CLAIMED_BYTES // 2) + b'"')
    for _ in range(4):
        await open_and_answer(store, gated_activities, half)

    async with run_services(make_deliverer(store, gated_activities, verdicts, clock)):
        await idle()
        first = gated_activities.begun
        clock.advance(PACE)
        await idle()
        while_two_are_delivered = gated_activities.begun
        await gated_activities.let(1)
        clock.advance(PACE)
        await idle()

    assert (first, while_two_are_delivered, gated_activities.begun) == (2, 2, 3)


async def test_claim_waits_at_most_for_its_pace_when_deliveries_are_slow(
    counting_store: CountingStore,
    gated_activities: GatedActivities,
    verdicts: VerdictWaiter,
    clock: ManualClock,
) -> None:
    for _ in range(3 * SLOTS):
        await open_and_answer(counting_store, gated_activities)

    async with run_services(make_deliverer(counting_store, gated_activities, verdicts, clock)):
        await idle()
        await gated_activities.let(1)
        clock.advance(PACE)
        await idle()

        assert counting_store.claims == [SLOTS, 2], "the place of the one that ended, and one more"


async def test_outcome_is_claimed_at_once_while_few_deliveries_run(
    counting_store: CountingStore,
    gated_activities: GatedActivities,
    verdicts: VerdictWaiter,
    clock: ManualClock,
) -> None:
    for _ in range(SLOTS // 2):
        await open_and_answer(counting_store, gated_activities)
    deliverer = make_deliverer(counting_store, gated_activities, verdicts, clock)

    async with run_services(deliverer):
        await idle()
        callback = await open_and_answer(counting_store, gated_activities)
        deliverer.wake()
        await idle()

        found = (await counting_store.find([callback.id]))[callback.id].accepted
        assert found is not None
        assert found.tries == 1


async def test_verdicts_share_a_commit_while_deliveries_run(
    counting_store: CountingStore,
    gated_activities: GatedActivities,
    verdicts: VerdictWaiter,
    clock: ManualClock,
) -> None:
    for _ in range(4):
        await open_and_answer(counting_store, gated_activities)

    async with run_services(make_deliverer(counting_store, gated_activities, verdicts, clock)):
        await idle()
        await gated_activities.let(2)
        before = list(counting_store.verdicts)
        clock.advance(PACE)
        await idle()
        between = list(counting_store.verdicts)
        await gated_activities.let(2)

        assert (before, between) == ([], [2])
        assert counting_store.verdicts == [2, 2], "when none runs any more, nothing is waited for"


async def test_finished_delivery_frees_its_slot_before_its_verdict_is_committed(
    counting_store: CountingStore,
    gated_activities: GatedActivities,
    verdicts: VerdictWaiter,
    clock: ManualClock,
) -> None:
    for _ in range(MAX_UNSETTLED + SLOTS):
        await open_and_answer(counting_store, gated_activities)
    counting_store.is_slow.set()

    async with run_services(make_deliverer(counting_store, gated_activities, verdicts, clock)):
        await idle()
        await gated_activities.let(SLOTS)
        while_few_wait = sum(counting_store.claims)
        for _ in range(MAX_UNSETTLED):
            gated_activities.places.release()
        for _ in range(MAX_UNSETTLED // SLOTS + 1):
            await idle()
            clock.advance(PACE)
        await idle()

        assert while_few_wait > SLOTS
        assert len(gated_activities.deliveries) == MAX_UNSETTLED, (
            "and never more unsettled deliveries"
        )


async def test_concurrency_grows_with_success_and_shrinks_after_an_outage(
    counting_store: CountingStore,
    gated_activities: GatedActivities,
    verdicts: VerdictWaiter,
    clock: ManualClock,
) -> None:
    for _ in range(8 * SLOTS):
        await open_and_answer(counting_store, gated_activities)

    async with run_services(make_deliverer(counting_store, gated_activities, verdicts, clock)):
        await idle()
        await gated_activities.let(2 * SLOTS)
        under_way = sum(counting_store.claims) - 2 * SLOTS
        gated_activities.is_reachable = False
        await gated_activities.let(under_way)
        before = len(counting_store.claims)
        for is_reachable in (False, True):
            gated_activities.is_reachable = is_reachable
            clock.advance(LONGEST)
            await idle()
            await gated_activities.let(1)

        assert under_way > SLOTS
        assert max(counting_store.claims[before:]) == SLOTS


class StoreThatCannotPostpone(SqlStore):
    """Claims succeed; later writes fail, as on a full disk."""

    async def postpone(self, postponements: Sequence[Postponement]) -> None:
        msg = f"disk full: {len(postponements)}"
        raise StoreUnavailableError(msg)


async def test_delivery_whose_verdict_cannot_be_stored_frees_its_slot(
    verdicts: VerdictWaiter, database: InMemoryDatabase, clock: ManualClock
) -> None:
    store, activities = StoreThatCannotPostpone(database), ActivitiesThatBreak()
    callbacks = [await open_and_answer(store, activities) for _ in range(2 * SLOTS)]

    async with run_services(make_deliverer(store, activities, verdicts, clock)):
        for _ in range(4):
            await idle()
            clock.advance(timedelta(seconds=1))

        assert await tries(store, callbacks) == len(callbacks)
