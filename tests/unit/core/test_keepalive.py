"""The gateway keeps an activity alive until its callback is closed, if the callback asks for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from ringback.core.keepalive import LEASE
from ringback.core.services import run_services
from ringback.domain.activity_state import HeartbeatResponse, LastFailure
from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.errors import TemporalUnreachableError
from ringback.domain.liveness import ReceivedHeartbeat
from ringback.domain.options import HeartbeatBy
from ringback.domain.outcome import Completed
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.loops import idle
from tests.pollers import heartbeat_keeper
from tests.unit.core.callbacks import open_callback, reload

TIMEOUT = timedelta(seconds=30)
GAP = TIMEOUT / 2
SECOND = timedelta(seconds=1)


async def open_kept_alive(store: SqlStore, activities: FakeActivities, **options: Any) -> Callback:
    ref = factories.activity_ref()
    activities.schedule(ref)
    options = {"heartbeat": HeartbeatBy.GATEWAY, "heartbeat_timeout": TIMEOUT, **options}
    return await open_callback(store, activities, ref, **options)


@asynccontextmanager
async def running_keepers(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, *, gateways: int = 1
) -> AsyncIterator[None]:
    keepers = [heartbeat_keeper(store, activities, clock) for _ in range(gateways)]
    async with run_services(*keepers):
        await idle()
        yield


async def pass_time(clock: ManualClock, time: timedelta) -> None:
    for _ in range(round(time / SECOND)):
        clock.advance(SECOND)
        await idle()


@pytest.mark.parametrize("gateways", [1, 3])
async def test_heartbeat_is_sent_every_half_timeout(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, gateways: int
) -> None:
    callback = await open_kept_alive(store, activities)

    async with running_keepers(store, activities, clock, gateways=gateways):
        await pass_time(clock, 10 * TIMEOUT)

    assert {ref for ref, _ in activities.heartbeats} == {callback.ref}
    assert 20 <= len(activities.heartbeats) <= 21


async def test_callback_with_heartbeat_sender_is_not_kept_alive(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    await open_kept_alive(store, activities, heartbeat=HeartbeatBy.SENDER)
    await open_kept_alive(store, activities, heartbeat_timeout=None)

    async with running_keepers(store, activities, clock):
        await pass_time(clock, 4 * TIMEOUT)

    assert activities.heartbeats == []


async def test_heartbeat_received_since_the_claim_is_forwarded_in_time(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await open_kept_alive(store, activities, heartbeat=HeartbeatBy.SENDER)
    (first,) = await store.receive_heartbeats([ReceivedHeartbeat(callback.id, b"0")], lease=LEASE)

    async with running_keepers(store, activities, clock):
        await pass_time(clock, LEASE)
        for number in range(1, 10):
            await store.receive_heartbeats(
                [ReceivedHeartbeat(callback.id, str(number).encode())], lease=LEASE
            )
            await pass_time(clock, SECOND)
        await pass_time(clock, 2 * TIMEOUT)

    assert first.is_due
    assert [details for _, details in activities.heartbeats] == [b"0", b"9"]


async def test_attempt_is_kept_alive_until_its_answer_is_delivered(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await open_kept_alive(store, activities)
    await store.accept([factories.answer(callback.id, Completed(b"1"))])

    async with running_keepers(store, activities, clock):
        await pass_time(clock, TIMEOUT)

    assert len(activities.heartbeats) == 2


async def test_settled_callback_gets_no_heartbeat(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await open_kept_alive(store, activities)
    await store.accept([factories.answer(callback.id, Completed(b"1"))])
    await store.settle([factories.settlement(await reload(store, callback))])

    async with running_keepers(store, activities, clock):
        await pass_time(clock, TIMEOUT)

    assert activities.heartbeats == []


async def test_heartbeat_response_is_stored_and_returned(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await open_kept_alive(store, activities)
    activities.request_cancel(callback.ref)

    async with running_keepers(store, activities, clock):
        await pass_time(clock, TIMEOUT)

    assert (await reload(store, callback)).cancel_requested_at is not None
    kinds = [entry.kind for entry in await store.audit_trail(callback.id)]
    assert kinds.count(AuditKind.CANCEL_REQUESTED) == 1


async def test_lost_heartbeat_is_retried_in_time(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    await open_kept_alive(store, activities)

    async with running_keepers(store, activities, clock):
        activities.is_reachable = False
        await pass_time(clock, GAP)
        activities.is_reachable = True
        await pass_time(clock, GAP - SECOND)

    assert len(activities.heartbeats) == 1


async def test_ended_attempt_gets_no_heartbeat_and_the_next_one_does(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await open_kept_alive(store, activities)
    activities.back_off(callback.ref, LastFailure("timeout", "", None))

    async with running_keepers(store, activities, clock):
        await pass_time(clock, TIMEOUT)
        between = list(activities.heartbeats)
        activities.start(callback.ref)
        await open_callback(
            store,
            activities,
            callback.ref,
            heartbeat=HeartbeatBy.GATEWAY,
            heartbeat_timeout=TIMEOUT,
        )
        await pass_time(clock, TIMEOUT)

    assert between == []
    assert len(activities.heartbeats) == 2


async def test_end_of_an_attempt_makes_a_poll_due_at_once(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await open_kept_alive(store, activities)
    await store.claim_polls(limit=1, lease=timedelta(days=1))
    clock.advance(SECOND)
    await store.claim_polls(limit=1, lease=timedelta(days=1))
    activities.end(callback.ref, how="timed out")

    async with running_keepers(store, activities, clock):
        await pass_time(clock, GAP)

    claim = await store.claim_polls(limit=1, lease=LEASE)
    assert [one.id for one in claim.callbacks] == [callback.id]


class ActivitiesWithOneThatHangs(FakeActivities):
    """Temporal never replies about one activity."""

    hanging: Any = None

    async def heartbeat_to_attempt(
        self, callback: Callback, details: bytes | None
    ) -> HeartbeatResponse:
        if callback.ref == self.hanging:
            msg = "no answer"
            raise TemporalUnreachableError(msg)
        return await super().heartbeat_to_attempt(callback, details)


async def test_heartbeat_without_a_reply_does_not_block_others(
    store: SqlStore, clock: ManualClock
) -> None:
    activities = ActivitiesWithOneThatHangs()
    hanging, other = [await open_kept_alive(store, activities) for _ in range(2)]
    activities.hanging = hanging.ref

    async with running_keepers(store, activities, clock):
        await pass_time(clock, 2 * TIMEOUT)

    assert [ref for ref, _ in activities.heartbeats] == [other.ref] * 4
    assert (await reload(store, hanging)).state is State.OPEN


async def test_heartbeat_keeper_continues_after_an_outage_of_the_store(
    store: SqlStore, database: InMemoryDatabase, activities: FakeActivities, clock: ManualClock
) -> None:
    await open_kept_alive(store, activities)

    async with running_keepers(store, activities, clock):
        database.is_available = False
        await pass_time(clock, GAP)
        database.is_available = True
        await pass_time(clock, SECOND)

    assert len(activities.heartbeats) == 1


async def test_one_heartbeat_at_a_time_probes_temporal_while_it_is_away(
    store: SqlStore, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    activities = ActivitiesThatAreAway()
    for _ in range(50):
        await open_kept_alive(store, activities)

    async with running_keepers(store, activities, clock):
        await pass_time(clock, 2 * TIMEOUT)

    assert 50 <= activities.asked < 80
    assert len([one for one in caplog.records if "cannot send" in one.message]) == 1


class ActivitiesThatAreAway(FakeActivities):
    """Temporal never replies; counts the requests."""

    asked = 0

    async def heartbeat_to_attempt(
        self, callback: Callback, details: bytes | None
    ) -> HeartbeatResponse:
        self.asked += 1
        msg = f"no answer about {callback.id} ({details!r})"
        raise TemporalUnreachableError(msg)
