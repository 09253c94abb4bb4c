"""A wrong Temporal server ends nothing: answers wait until the right one is back."""

import logging
from datetime import timedelta

import pytest

from ringback.core.activity_poller import LEASE
from ringback.core.delivery import Deliverer
from ringback.core.delivery_failures import LONGEST_ON_WRONG_SERVER
from ringback.core.health_checks import OUTAGE_MEMORY, MisconfigurationLog
from ringback.core.services import run_services
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.core.verdicts import TRIES_WITHOUT_A_TRACE
from ringback.domain.callback import State
from ringback.domain.errors import TemporalMisconfiguredError
from ringback.domain.options import Attempts, HeartbeatBy
from ringback.domain.outcome import Completed, Failed, Outcome
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from tests import factories
from tests.loops import idle
from tests.pollers import activity_poller, heartbeat_keeper
from tests.unit.core.callbacks import open_and_answer, open_callback, state_of

LONG_OUTAGE = 4 * TRIES_WITHOUT_A_TRACE


@pytest.fixture
def deliverer(store: SqlStore, activities: FakeActivities, clock: ManualClock) -> Deliverer:
    return Deliverer(
        store, activities, VerdictWaiter(store, clock), clock=clock, jitter=lambda: 1.0, owner="me"
    )


@pytest.mark.parametrize("attempts", Attempts)
@pytest.mark.parametrize(
    "outcome",
    [Completed(b"1"), Failed("no", non_retryable=True), Failed("again")],
    ids=["completed", "failed", "retryable"],
)
async def test_wrong_server_delays_an_answer_and_the_right_one_receives_it(
    outcome: Outcome,
    attempts: Attempts,
    *,
    store: SqlStore,
    activities: FakeActivities,
    deliverer: Deliverer,
    clock: ManualClock,
) -> None:
    callback = await open_and_answer(store, activities, outcome, attempts=attempts)
    activities.unserved = frozenset({"default"})

    async with run_services(deliverer):
        for _ in range(LONG_OUTAGE):
            clock.advance(LONGEST_ON_WRONG_SERVER)
            await idle()
        during = await state_of(store, callback)
        activities.unserved = frozenset()
        clock.advance(LONGEST_ON_WRONG_SERVER)
        await idle()

        assert during is State.ACCEPTED
        assert await state_of(store, callback) is State.APPLIED


async def test_answer_for_an_unserved_namespace_does_not_slow_down_another_namespace(
    store: SqlStore, deliverer: Deliverer, activities: FakeActivities
) -> None:
    activities.unserved = frozenset({"gone"})
    lost = []
    for _ in range(20):
        ref = factories.activity_ref(namespace="gone")
        activities.schedule(ref)
        callback = await open_callback(store, activities, ref)
        await store.accept([factories.answer(callback.id)])
        lost.append(callback)
    served = [await open_and_answer(store, activities) for _ in range(20)]

    async with run_services(deliverer):
        await idle()

        assert {await state_of(store, callback) for callback in served} == {State.APPLIED}
        assert {await state_of(store, callback) for callback in lost} == {State.ACCEPTED}


async def test_wrong_server_is_logged_once_per_outage_and_shown_while_it_lasts(
    store: SqlStore,
    activities: FakeActivities,
    deliverer: Deliverer,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await open_and_answer(store, activities)
    activities.unserved = frozenset({"default"})

    async with run_services(deliverer):
        for _ in range(LONG_OUTAGE):
            clock.advance(LONGEST_ON_WRONG_SERVER)
            await idle()
        during = deliverer.is_misconfigured
        activities.unserved = frozenset()
        clock.advance(OUTAGE_MEMORY)
        await idle()

        errors = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert [("is not found" in one.getMessage()) for one in errors] == [True]
        assert (during, deliverer.is_misconfigured) == (True, False)


def test_next_outage_for_the_same_reason_is_logged_again(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    misconfiguration = MisconfigurationLog(clock)

    for _ in range(2):
        misconfiguration.record(TemporalMisconfiguredError("no such namespace"))
        clock.advance(OUTAGE_MEMORY + timedelta(seconds=1))

    assert caplog.text.count("no such namespace") == 2


def test_many_reasons_do_not_fill_the_log(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    misconfiguration = MisconfigurationLog(clock)

    for number in range(1000):
        misconfiguration.record(TemporalMisconfiguredError(f"no namespace {number}"))

    assert len(caplog.records) == 100


async def test_heartbeats_for_an_unserved_namespace_do_not_block_others(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    activities.unserved = frozenset({"gone"})
    for namespace in ["gone"] * 20 + ["default"]:
        ref = factories.activity_ref(namespace=namespace)
        activities.schedule(ref)
        keep = {"heartbeat": HeartbeatBy.GATEWAY, "heartbeat_timeout": timedelta(seconds=4)}
        callback = await open_callback(store, activities, ref, **keep)

    async with run_services(heartbeat_keeper(store, activities, clock)):
        for _ in range(20):
            clock.advance(timedelta(seconds=1))
            await idle()
        activities.unserved = frozenset()
        before = [ref for ref, _ in activities.heartbeats]
        clock.advance(timedelta(seconds=5))
        await idle()

    assert before == [callback.ref] * 10
    assert len({ref for ref, _ in activities.heartbeats}) == 21


async def test_polls_of_an_unserved_namespace_block_no_others_and_close_nothing(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    activities.unserved = frozenset({"gone"})
    lost = [factories.activity_ref(namespace="gone") for _ in range(20)]
    overdue_at = clock.now() + timedelta(seconds=1)
    unknown = await store.open([
        factories.request(ref=ref, attempt_timeout_at=overdue_at) for ref in lost
    ])
    clock.advance(timedelta(seconds=1))
    (ended,) = await store.open([factories.request()])
    activities.schedule(ended.ref)
    activities.end(ended.ref, how="timed out")
    clock.advance(LEASE)

    await activity_poller(store, activities, clock).poll()

    assert await state_of(store, ended) is State.EXPIRED
    assert {await state_of(store, callback) for callback in unknown} == {State.OPEN}
