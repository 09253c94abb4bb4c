"""What Temporal does when it is told, on the real server: the ground that the core stands on."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from ringback import Callback, open_callback
from ringback.domain.callback import ActivityRef
from ringback.domain.errors import (
    ActivityGoneError,
    RefusedByTemporalError,
    TemporalUnreachableError,
)
from ringback.domain.outcome import Canceled, Completed, Failed
from ringback.ports.activities import Ended, LastFailure, Pending, Unknown
from ringback.temporal.activities import TemporalActivities
from ringback.temporal.translate import to_error
from ringback.worker.runtime import to_ref
from tests.integration.conftest import OpenHouse
from tests.integration.house import House, Outside, path_of
from tests.integration.workflows import Run, RunTwiceWithOneId

pytestmark = pytest.mark.server

FAILED = Failed("no", non_retryable=True)


class Asking:
    """An activity that waits, and tells which activity it is."""

    def __init__(self) -> None:
        self.refs: asyncio.Queue[ActivityRef] = asyncio.Queue()

    @activity.defn(name="ask")
    async def run(self) -> Any:
        self.refs.put_nowait(to_ref(activity.info()))
        activity.raise_complete_async()

    async def next(self) -> ActivityRef:
        async with asyncio.timeout(15):
            return await self.refs.get()


@pytest.fixture
def asking() -> Asking:
    return Asking()


@pytest.fixture
def activities(client: Client) -> TemporalActivities:
    return TemporalActivities(client)


async def pending(house: House, asking: Asking, run: Run | None = None) -> tuple[Any, ActivityRef]:
    """Start a workflow; return its handle and its activity, which waits."""
    handle = await house.start(run or Run("ask"))
    return handle, await asking.next()


async def test_a_delivery_lands_in_history_under_its_own_identity(
    open_house: OpenHouse, asking: Asking, activities: TemporalActivities
) -> None:
    async with open_house(asking.run) as house:
        handle, ref = await pending(house, asking)

        await activities.deliver(ref, Completed(b'{"n": 1}'), identity="ringback/oc_1")

        assert await handle.result() == {"n": 1}
        found = await activities.locate(ref)
        assert isinstance(found, Ended)
        assert (found.how, found.identity) == ("completed", "ringback/oc_1")


async def test_the_second_delivery_is_gone_whatever_it_is(
    open_house: OpenHouse, asking: Asking, activities: TemporalActivities
) -> None:
    async with open_house(asking.run) as house:
        _, ref = await pending(house, asking)
        await activities.deliver(ref, Completed(b"1"), identity="first")

        for outcome in (Completed(b"1"), FAILED, Canceled(None)):
            with pytest.raises(ActivityGoneError):
                await activities.deliver(ref, outcome, identity="second")
        with pytest.raises(ActivityGoneError):
            await activities.heartbeat(ref, None)


async def test_a_waiting_activity_is_located_with_what_is_asked_of_it(
    open_house: OpenHouse, asking: Asking, activities: TemporalActivities
) -> None:
    async with open_house(asking.run) as house:
        handle, ref = await pending(house, asking)

        before = await activities.locate(ref)
        await handle.cancel()
        await until_cancel_requested(activities, ref)
        pulse = await activities.heartbeat(ref, b"1")

        assert isinstance(before, Pending)
        assert (before.attempt, before.is_started, before.cancel_requested) == (1, True, False)
        assert before.deadline_at is not None
        assert pulse.cancel_requested
        await activities.deliver(ref, Canceled(b'"why"'), identity="me")
        found = await activities.locate(ref)
        assert isinstance(found, Ended)
        assert (found.how, found.identity) == ("canceled", "me")


async def until_cancel_requested(activities: TemporalActivities, ref: ActivityRef) -> None:
    async with asyncio.timeout(15):
        while True:
            (found,) = await activities.look([ref])
            if found is not None and found.cancel_requested:
                return


async def test_a_cancellation_that_nobody_asked_for_is_refused_and_changes_nothing(
    open_house: OpenHouse, asking: Asking, activities: TemporalActivities
) -> None:
    async with open_house(asking.run) as house:
        _, ref = await pending(house, asking)

        with pytest.raises(RefusedByTemporalError, match="request canceled first"):
            await activities.deliver(ref, Canceled(None), identity="me")

        assert isinstance(await activities.locate(ref), Pending)


async def test_the_end_of_a_failed_activity_names_who_failed_it(
    open_house: OpenHouse, asking: Asking, activities: TemporalActivities
) -> None:
    async with open_house(asking.run) as house:
        _, ref = await pending(house, asking)

        await activities.deliver(ref, FAILED, identity="me")

        found = await activities.locate(ref)
        assert isinstance(found, Ended)
        assert (found.how, found.identity) == ("failed", "me")


@pytest.mark.parametrize("size", [0, 10_000], ids=["small", "cut by the server"])
async def test_a_retryable_failure_shows_only_beside_the_next_attempt_and_who_sent_it(
    open_house: OpenHouse, asking: Asking, activities: TemporalActivities, size: int
) -> None:
    details = b'["' + b"x" * size + b'"]'
    async with open_house(asking.run) as house:
        _, ref = await pending(house, asking, Run("ask", attempts=2, back_off=30))

        await activities.deliver(ref, Failed("busy", "Busy", details=details), identity="me")
        found = await activities.locate(ref)

        assert isinstance(found, Pending)
        assert (found.attempt, found.is_started) == (2, False)
        assert found.last_failure is not None
        assert found.last_failure == LastFailure("application", "busy", "Busy", "me")
        with pytest.raises(ActivityGoneError):
            await activities.deliver(ref, FAILED, identity="me")
        await activities.deliver(ref, Completed(b"1"), identity="me")


async def test_a_timed_out_activity_has_ended_by_nobody_s_hand(
    open_house: OpenHouse, asking: Asking, activities: TemporalActivities
) -> None:
    async with open_house(asking.run) as house:
        _, ref = await pending(house, asking, Run("ask", start_to_close=0.5))

        ended = await until_ended(activities, ref)

        assert (ended.how, ended.identity) == ("timed out", "")


async def until_ended(activities: TemporalActivities, ref: ActivityRef) -> Ended:
    async with asyncio.timeout(15):
        while True:
            found = await activities.locate(ref)
            if isinstance(found, Ended):
                return found


async def test_a_workflow_that_closed_over_its_activity_ended_it(
    open_house: OpenHouse, asking: Asking, activities: TemporalActivities
) -> None:
    async with open_house(asking.run) as house:
        handle, ref = await pending(house, asking)
        await handle.terminate()

        found = await activities.locate(ref)

        assert isinstance(found, Ended)
        assert found.how == "workflow terminated"
        assert await activities.look([ref]) == [None]


async def test_an_activity_that_never_was_is_unknown(
    open_house: OpenHouse, asking: Asking, activities: TemporalActivities
) -> None:
    async with open_house(asking.run) as house:
        _, ref = await pending(house, asking)
        strange = [
            replace(ref, workflow_id="nobody"),
            replace(ref, activity_id="99"),
            replace(ref, scheduled_at=ref.scheduled_at - timedelta(seconds=1)),
        ]

        found = [await activities.locate(one) for one in strange]

        assert {type(one) for one in found} == {Unknown}


async def test_many_activities_of_a_run_are_looked_at_in_their_order(
    open_house: OpenHouse, asking: Asking, activities: TemporalActivities
) -> None:
    async with open_house(asking.run) as house:
        _, ref = await pending(house, asking)
        gone = replace(ref, activity_id="99")

        looks = await activities.look([gone, ref, replace(ref, workflow_id="nobody")])

        assert [look is not None for look in looks] == [False, True, False]


@pytest.mark.parametrize("activity_id", ["approve", "7"])
async def test_an_answer_to_an_activity_whose_id_came_back_does_not_touch_the_new_one(
    open_house: OpenHouse, outside: Outside, activity_id: str
) -> None:
    @activity.defn
    async def ask() -> Any:
        async with open_callback() as callback:
            await outside.submit(callback)

    async with open_house(ask) as house:
        run = Run("ask", start_to_close=1, activity_id=activity_id)
        handle = await house.start(run, RunTwiceWithOneId)
        first: Callback = await outside.next()
        second: Callback = await outside.next()

        beat = await house.http.post(f"{path_of(first)}/heartbeat", json="late")
        late = await house.answer(first, "late")
        good = await house.answer(second, "in time")

        assert (beat.status_code, late.status_code, good.status_code) == (410, 410, 200)
        assert await handle.result() == ["ended", "in time"]


async def test_a_later_run_of_the_same_workflow_is_not_touched(
    open_house: OpenHouse, asking: Asking, activities: TemporalActivities
) -> None:
    async with open_house(asking.run) as house:
        handle, earlier = await pending(house, asking)
        await handle.terminate()
        _, later = await pending(house, asking)

        for outcome in (Completed(b"1"), FAILED, Canceled(None)):
            with pytest.raises(ActivityGoneError):
                await activities.deliver(earlier, outcome, identity="late")
        with pytest.raises(ActivityGoneError):
            await activities.heartbeat(earlier, b"1")

        assert earlier.activity_id == later.activity_id
        assert isinstance(await activities.locate(later), Pending)


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    away = await Client.connect("127.0.0.1:1", lazy=True)
    ref = ActivityRef("default", "w", "r", "1", datetime(2030, 1, 1, tzinfo=UTC))
    activities = TemporalActivities(away)

    with pytest.raises(TemporalUnreachableError):
        await activities.deliver(ref, Completed(b"1"), identity="me")
    with pytest.raises(TemporalUnreachableError):
        await activities.look([ref])


async def test_a_namespace_that_is_not_there_is_not_taken_for_an_ended_activity(
    activities: TemporalActivities,
) -> None:
    run_id = "00000000-0000-0000-0000-000000000000"
    ref = ActivityRef("nowhere", "w", run_id, "1", datetime(2030, 1, 1, tzinfo=UTC))

    with pytest.raises(RefusedByTemporalError, match="nowhere"):
        await activities.deliver(ref, Completed(b"1"), identity="me")


@pytest.mark.parametrize("status", list(RPCStatusCode), ids=lambda status: status.name)
def test_only_what_is_known_to_be_final_is_final(status: RPCStatusCode) -> None:
    final = {
        RPCStatusCode.NOT_FOUND: ActivityGoneError,
        RPCStatusCode.INVALID_ARGUMENT: RefusedByTemporalError,
        RPCStatusCode.FAILED_PRECONDITION: RefusedByTemporalError,
        RPCStatusCode.UNIMPLEMENTED: RefusedByTemporalError,
    }

    error = to_error(RPCError("what it said", status, b""))

    assert type(error) is final.get(status, TemporalUnreachableError)
    assert "what it said" in str(error)


def test_a_request_that_is_too_large_for_the_server_is_refused() -> None:
    message = "grpc: received message after decompression larger than max 4194304"

    error = to_error(RPCError(message, RPCStatusCode.RESOURCE_EXHAUSTED, b""))

    assert type(error) is RefusedByTemporalError
