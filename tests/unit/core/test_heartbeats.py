"""A heartbeat reaches Temporal, or its sender gets the reason."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from ringback.core.heartbeats import HeartbeatService
from ringback.core.services import run_services
from ringback.domain.activity_state import DETAILS_INTERVAL, HeartbeatResponse, LastFailure
from ringback.domain.callback import Callback, State
from ringback.domain.errors import (
    AnswerTooLargeError,
    ExpiredCallbackError,
    RefusedByTemporalError,
    TemporalUnreachableError,
    UnknownCallbackError,
)
from ringback.ports.store import Expiry
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.pollers import heartbeat_service
from tests.unit.core.callbacks import open_callback, reload

TIMEOUT = timedelta(seconds=30)
SECOND = timedelta(seconds=1)
QUIET = HeartbeatResponse(cancel_requested=False, paused=False, reset=False)


@pytest.fixture
async def service(store: SqlStore, activities: FakeActivities) -> AsyncIterator[HeartbeatService]:
    service = heartbeat_service(store, activities)
    async with run_services(service):
        yield service


@pytest.fixture
async def callback(store: SqlStore, activities: FakeActivities) -> Callback:
    ref = factories.activity_ref()
    activities.schedule(ref)
    return await open_callback(
        store, activities, ref, attempt_timeout_at=factories.NOW, heartbeat_timeout=TIMEOUT
    )


async def test_heartbeat_is_forwarded_and_returns_the_deadline(
    service: HeartbeatService, activities: FakeActivities, callback: Callback
) -> None:
    reply = await service.heartbeat(callback.id, b"1")

    assert activities.heartbeats == [(callback.ref, b"1")]
    assert reply.deadline_at == factories.NOW


async def test_heartbeat_during_a_backoff_asks_for_the_next_one(
    service: HeartbeatService, store: SqlStore, activities: FakeActivities, callback: Callback
) -> None:
    activities.back_off(callback.ref, LastFailure("timeout", "", None))

    with pytest.raises(TemporalUnreachableError, match="between two attempts"):
        await service.heartbeat(callback.id, None)

    assert (await store.find([callback.id]))[callback.id].state is State.OPEN


async def test_heartbeat_to_an_ended_activity_closes_the_callback(
    service: HeartbeatService, store: SqlStore, activities: FakeActivities, callback: Callback
) -> None:
    activities.end(callback.ref, how="timed out")

    for _ in range(2):
        with pytest.raises(ExpiredCallbackError, match="timed out"):
            await service.heartbeat(callback.id, None)

    assert (await store.find([callback.id]))[callback.id].state is State.EXPIRED


async def test_heartbeat_to_an_answered_callback_reports_the_answer(
    service: HeartbeatService, store: SqlStore, callback: Callback
) -> None:
    await store.accept([factories.answer(callback.id)])

    with pytest.raises(ExpiredCallbackError, match="answered"):
        await service.heartbeat(callback.id, None)


async def test_heartbeat_to_an_unknown_callback_is_unknown(service: HeartbeatService) -> None:
    with pytest.raises(UnknownCallbackError):
        await service.heartbeat(factories.callback_id(), None)


async def test_heartbeat_by_a_revoked_link_is_unknown(
    service: HeartbeatService, activities: FakeActivities, callback: Callback
) -> None:
    with pytest.raises(UnknownCallbackError):
        await service.heartbeat(callback.id, b"1", serial=callback.link_serial + 1)

    assert activities.heartbeats == []


async def test_frequent_heartbeats_are_stored_and_the_latest_details_win(
    service: HeartbeatService,
    store: SqlStore,
    activities: FakeActivities,
    callback: Callback,
    clock: ManualClock,
) -> None:
    for number in range(10):
        await service.heartbeat(callback.id, str(number).encode())
        clock.advance(SECOND)

    assert activities.heartbeats == [(callback.ref, b"0")]
    assert (await reload(store, callback)).heartbeat_state.details == b"9"


async def test_heartbeat_after_half_the_timeout_is_forwarded_at_once(
    service: HeartbeatService,
    activities: FakeActivities,
    callback: Callback,
    clock: ManualClock,
) -> None:
    await service.heartbeat(callback.id, b"1")
    clock.advance(TIMEOUT / 2)
    await service.heartbeat(callback.id, b"2")

    assert [details for _, details in activities.heartbeats] == [b"1", b"2"]


async def test_details_are_forwarded_now_and_then_without_a_timeout(
    service: HeartbeatService,
    store: SqlStore,
    activities: FakeActivities,
    clock: ManualClock,
) -> None:
    ref = factories.activity_ref()
    activities.schedule(ref)
    callback = await open_callback(store, activities, ref)

    for _ in range(3):
        await service.heartbeat(callback.id, b"1")
        clock.advance(DETAILS_INTERVAL / 2)

    assert len(activities.heartbeats) == 2


async def test_heartbeat_without_details_preserves_the_recorded_ones(
    service: HeartbeatService,
    activities: FakeActivities,
    callback: Callback,
    clock: ManualClock,
) -> None:
    await service.heartbeat(callback.id, b"1")
    clock.advance(TIMEOUT)
    await service.heartbeat(callback.id, None)

    assert [details for _, details in activities.heartbeats] == [b"1", b"1"]


async def test_stored_heartbeat_returns_temporals_latest_known_state(
    service: HeartbeatService, activities: FakeActivities, callback: Callback
) -> None:
    activities.request_cancel(callback.ref)
    activities.pause(callback.ref)

    replies = [await service.heartbeat(callback.id, None) for _ in range(2)]

    assert [reply.response for reply in replies] == [HeartbeatResponse(True, True, False)] * 2  # noqa: FBT003 - its three flags
    assert len(activities.heartbeats) == 1


async def test_details_that_are_too_large_are_not_stored(
    service: HeartbeatService, store: SqlStore, activities: FakeActivities, callback: Callback
) -> None:
    activities.largest = 5

    with pytest.raises(AnswerTooLargeError):
        await service.heartbeat(callback.id, b'"123456"')

    assert (await reload(store, callback)).heartbeat_state.details is None


async def test_heartbeat_is_stored_and_forwarded_after_an_outage_of_temporal(
    service: HeartbeatService,
    store: SqlStore,
    activities: FakeActivities,
    callback: Callback,
    clock: ManualClock,
) -> None:
    activities.is_reachable = False
    away = await service.heartbeat(callback.id, b"1")
    noted = (await reload(store, callback)).heartbeat_state
    activities.is_reachable = True
    clock.advance(TIMEOUT / 2)

    reply = await service.heartbeat(callback.id, None)

    assert noted.details == b"1"
    assert (away.response, reply.response) == (QUIET, QUIET)
    assert activities.heartbeats == [(callback.ref, b"1")]


async def test_heartbeat_does_not_reach_a_later_activity_with_the_same_id(
    service: HeartbeatService, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    ref = factories.activity_ref(activity_id="approve", workflow_id="order")
    activities.schedule(ref)
    callback = await open_callback(store, activities, ref)
    await service.heartbeat(callback.id, b"1")
    activities.end(ref, how="timed out")
    again = factories.activity_ref(
        activity_id="approve", workflow_id="order", scheduled_at=factories.NOW + SECOND
    )
    activities.schedule(again)
    activities.back_off(again, LastFailure("timeout", "", None))
    activities.start(again)
    clock.advance(DETAILS_INTERVAL)

    with pytest.raises(ExpiredCallbackError, match="timed out"):
        await service.heartbeat(callback.id, b"2")

    assert activities.heartbeats == [(ref, b"1")]


async def test_heartbeat_reaches_a_reset_attempt_by_ids(
    service: HeartbeatService, store: SqlStore, activities: FakeActivities
) -> None:
    ref = factories.activity_ref()
    activities.schedule(ref)
    activities.back_off(ref, LastFailure("timeout", "", None))
    activities.start(ref)
    callback = await open_callback(store, activities, ref)
    activities.reset(ref)

    reply = await service.heartbeat(callback.id, b"1")

    assert reply.response.reset
    assert activities.heartbeats == [(ref, b"1")]


async def test_callback_without_a_token_is_kept_alive_by_ids(
    service: HeartbeatService, store: SqlStore, activities: FakeActivities
) -> None:
    ref = factories.activity_ref()
    activities.schedule(ref)
    request = factories.request(
        ref=ref, attempt_started_at=activities.started_at(ref), task_token=None
    )
    (callback,) = await store.open([request])

    await service.heartbeat(callback.id, b"1")

    assert activities.heartbeats == [(ref, b"1")]


async def test_missing_activity_does_not_close_the_callback(
    service: HeartbeatService, store: SqlStore
) -> None:
    """It may be another server for a while."""
    (callback,) = await store.open([factories.request()])

    with pytest.raises(TemporalUnreachableError, match="does not know"):
        await service.heartbeat(callback.id, None)

    assert (await store.find([callback.id]))[callback.id].state is State.OPEN


class StoreThatIsAskedMeanwhile(SqlStore):
    """A later attempt opens the callback just before it would be closed."""

    async def expire(self, expiries: Sequence[Expiry]) -> None:
        seen = await self.find([one.callback_id for one in expiries])
        await self.open([factories.request(ref=one.ref, attempt=9) for one in seen.values()])
        await super().expire(expiries)


async def test_callback_reopened_by_a_later_attempt_accepts_the_next_heartbeat(
    activities: FakeActivities, database: InMemoryDatabase
) -> None:
    store = StoreThatIsAskedMeanwhile(database)
    ref = factories.activity_ref()
    activities.schedule(ref)
    callback = await open_callback(store, activities, ref)
    activities.end(callback.ref, how="workflow terminated")
    service = heartbeat_service(store, activities)

    with pytest.raises(TemporalUnreachableError, match="later attempt"):
        async with run_services(service):
            await service.heartbeat(callback.id, None)


async def test_many_heartbeats_during_a_backoff_cost_one_request(
    service: HeartbeatService, activities: FakeActivities, callback: Callback
) -> None:
    activities.back_off(callback.ref, LastFailure("timeout", "", None))
    with pytest.raises(TemporalUnreachableError):
        await service.heartbeat(callback.id, b"0")
    asked = len(activities.looks)

    for number in range(20):
        await service.heartbeat(callback.id, str(number).encode())

    assert len(activities.looks) == asked


class ActivitiesOfAMissingNamespace(FakeActivities):
    """Temporal rejects the heartbeat."""

    async def heartbeat_to_attempt(
        self, callback: Callback, details: bytes | None
    ) -> HeartbeatResponse:
        msg = f"Namespace nowhere is not found: {callback.id}, {details!r}."
        raise RefusedByTemporalError(msg)


async def test_rejected_heartbeat_raises(store: SqlStore) -> None:
    activities = ActivitiesOfAMissingNamespace()
    ref = factories.activity_ref()
    activities.schedule(ref)
    callback = await open_callback(store, activities, ref)
    service = heartbeat_service(store, activities)

    with pytest.raises(RefusedByTemporalError, match="nowhere"):
        async with run_services(service):
            await service.heartbeat(callback.id, b"1")
