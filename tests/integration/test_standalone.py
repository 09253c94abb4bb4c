"""Standalone activities, which have no workflow, on the real server."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import (
    ActivityExecutionDescription,
    ActivityFailureError,
    ActivityHandle,
    ActivityOptionsKeys,
)
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.exceptions import TimeoutError as ActivityTimeoutError

from ringback import Callback, wait_for_callback, wait_for_callback_sync
from ringback.domain.durations import format_instant
from tests.integration.conftest import OpenEnv
from tests.integration.env import Env, FakeService, path_of
from tests.polling import pause

pytestmark = pytest.mark.server

State = PendingActivityState


async def start(
    env: Env,
    *,
    start_to_close: float = 60,
    schedule_to_close: float | None = None,
    attempts: int = 1,
    back_off: float = 0.2,
) -> ActivityHandle[Any]:
    """Start the activity, without a workflow; each test has one id for it."""
    return await env.client.start_activity(
        "ask",
        id=f"{env.task_queue}-activity",
        task_queue=env.task_queue,
        start_to_close_timeout=timedelta(seconds=start_to_close),
        schedule_to_close_timeout=None
        if schedule_to_close is None
        else timedelta(seconds=schedule_to_close),
        retry_policy=RetryPolicy(
            maximum_attempts=attempts, initial_interval=timedelta(seconds=back_off)
        ),
    )


def asking(service: FakeService, **options: Any) -> Any:
    @activity.defn(name="ask")
    async def ask() -> Any:
        return await wait_for_callback(service.submit, object, **options)

    return ask


def asking_in_a_thread(service: FakeService) -> Any:
    @activity.defn(name="ask")
    def ask() -> Any:
        return wait_for_callback_sync(service.submit_in_a_thread, object)

    return ask


def losing_the_connection(service: FakeService) -> Any:
    """An activity whose first attempt fails after the request was sent."""

    @activity.defn(name="ask")
    async def ask() -> Any:
        async def submit(callback: Callback) -> None:
            await service.submit(callback)
            msg = "lost the connection after the request was sent"
            raise ConnectionError(msg)

        return await wait_for_callback(submit, object)

    return ask


async def cause(handle: ActivityHandle[Any]) -> BaseException:
    """Return what ended the activity."""
    with pytest.raises(ActivityFailureError) as caught:
        await handle.result()
    assert caught.value.cause is not None
    return caught.value.cause


async def until(
    handle: ActivityHandle[Any], state: State.ValueType, attempt: int
) -> ActivityExecutionDescription:
    """Return how the activity is described once it is there."""
    async with asyncio.timeout(15):
        while True:
            described = await handle.describe()
            if (described.raw_info.run_state, described.attempt) == (state, attempt):
                return described
            await pause()


async def until_not_open(env: Env, callback: Callback) -> dict[str, Any]:
    """Return the view of the link after the callback has ended."""
    async with asyncio.timeout(15):
        while True:
            view: dict[str, Any] = (await env.http.get(path_of(callback))).json()
            if view["state"] != "open":
                return view
            await pause()


@pytest.mark.parametrize("ask", [asking, asking_in_a_thread], ids=lambda ask: ask.__name__)
async def test_starter_gets_the_answer(open_env: OpenEnv, service: FakeService, ask: Any) -> None:
    async with open_env(ask(service)) as env:
        handle = await start(env)

        reply = await env.answer(await service.next(), {"amount": 5})

        assert (reply.status_code, reply.json()["state"]) == (200, "applied")
        assert await handle.result() == {"amount": 5}


async def test_failure_arrives_with_all_its_fields(open_env: OpenEnv, service: FakeService) -> None:
    body = {
        "message": "card declined",
        "type": "Declined",
        "non_retryable": True,
        "details": [{"code": 5}, "x"],
    }
    async with open_env(asking(service)) as env:
        handle = await start(env, attempts=5)

        reply = await env.answer(await service.next(), body, verb="/fail")

        failure = await cause(handle)
        assert reply.json()["state"] == "applied"
        assert isinstance(failure, ApplicationError)
        assert (failure.message, failure.type) == ("card declined", "Declined")
        assert failure.non_retryable
        assert failure.details == ({"code": 5}, "x")


async def test_retryable_failure_makes_the_next_attempt_submit_again(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service)) as env:
        handle = await start(env, attempts=2)
        first = await service.next()

        await env.answer(first, {"message": "busy"}, verb="/fail")
        second = await service.next()
        await env.answer(second, "done")

        assert second.id != first.id
        assert await handle.result() == "done"


@pytest.mark.parametrize("details", [{"why": "asked"}, None], ids=["details", "none"])
async def test_sender_sees_a_cancellation_and_reports_it(
    open_env: OpenEnv, service: FakeService, details: object
) -> None:
    async with open_env(asking(service)) as env:
        handle = await start(env)
        callback = await service.next()
        early = await env.answer(callback, details, verb="/cancel")
        await handle.cancel()
        async with asyncio.timeout(15):
            while not (await env.http.get(path_of(callback))).json()["cancel_requested"]:
                await pause()

        reply = await env.answer(callback, details, verb="/cancel")

        assert (early.status_code, reply.status_code) == (409, 200)
        failure = await cause(handle)
        assert isinstance(failure, CancelledError)
        assert failure.details == (details,)


async def test_heartbeats_are_recorded_and_an_empty_one_erases_nothing(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service)) as env:
        handle = await start(env)
        path = path_of(await service.next())

        await env.http.post(f"{path}/heartbeat", json={"progress": 0.5})
        await handle.pause()
        beat = await env.http.post(f"{path}/heartbeat")
        view = await env.http.get(path)

        described = await handle.describe(include_heartbeat_details=True)
        assert (beat.status_code, view.json()["paused"]) == (200, True)
        assert await described.heartbeat_details() == [{"progress": 0.5}]
        await handle.terminate()


@pytest.mark.parametrize("is_paused", [False, True], ids=["waiting", "paused"])
async def test_result_between_two_attempts_ends_it_without_another_submit(
    open_env: OpenEnv, service: FakeService, *, is_paused: bool
) -> None:
    async with open_env(losing_the_connection(service)) as env:
        handle = await start(env, attempts=2, back_off=60)
        callback = await service.next()
        await until(handle, State.PENDING_ACTIVITY_STATE_SCHEDULED, 2)
        if is_paused:
            await handle.pause()

        reply = await env.answer(callback)

        assert reply.json()["state"] == "applied"
        assert await handle.result() == "the answer"
        assert service.given.empty()


async def test_a_failure_between_two_attempts_is_what_the_next_one_ends_with(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(losing_the_connection(service)) as env:
        handle = await start(env, attempts=2, back_off=1)
        callback = await service.next()
        await until(handle, State.PENDING_ACTIVITY_STATE_SCHEDULED, 2)

        reply = await env.answer(callback, {"message": "declined"}, verb="/fail", wait=0)

        failure = await cause(handle)
        assert reply.status_code == 202
        assert isinstance(failure, ApplicationError)
        assert failure.message == "declined"
        assert service.given.empty()


async def test_an_answer_for_one_attempt_does_not_end_the_next(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service, attempts="current")) as env:
        # The second attempt must last until both answers are sent, however slow the machine is.
        handle = await start(env, attempts=2, start_to_close=5)
        first, second = await service.next(), await service.next()

        late = await env.answer(first, "late")
        good = await env.answer(second, "in time")

        assert first.id != second.id
        assert (late.status_code, good.status_code) == (410, 200)
        assert await handle.result() == "in time"


async def test_a_late_answer_does_not_touch_a_later_run_with_the_same_id(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service, follow_reset=True)) as env:
        earlier = await start(env)
        first = await service.next()
        await earlier.terminate()
        later = await start(env)
        second = await service.next()

        beat = await env.http.post(f"{path_of(first)}/heartbeat", json="late")
        late = await env.answer(first, "late")
        good = await env.answer(second, "in time")

        assert earlier.id == later.id
        assert first.id != second.id
        assert (beat.status_code, late.status_code, good.status_code) == (410, 410, 200)
        assert await later.result() == "in time"


async def test_late_answer_to_a_timed_out_standalone_activity_returns_410(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service)) as env:
        handle = await start(env, start_to_close=1)
        callback = await service.next()
        assert isinstance(await cause(handle), ActivityTimeoutError)
        await until_not_open(env, callback)

        reply = await env.answer(callback)

        assert reply.status_code == 410
        assert "timed out" in reply.json()["reason"]


async def test_an_answer_to_a_terminated_activity_is_superseded(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service)) as env:
        handle = await start(env)
        callback = await service.next()
        await handle.terminate()

        reply = await env.answer(callback)

        assert reply.status_code == 410
        assert "terminated" in reply.json()["reason"]


async def test_the_deadline_follows_an_operator_and_a_pause_does_not_stop_it(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service)) as env:
        handle = await start(env, start_to_close=50, schedule_to_close=40)
        callback = await service.next()
        scheduled_at = (await handle.describe()).schedule_time

        await handle.pause()
        await handle.update_options([
            ActivityOptionsKeys.schedule_to_close_timeout.value_set(timedelta(seconds=30))
        ])

        assert callback.deadline_at == scheduled_at + timedelta(seconds=40)
        changed = format_instant(scheduled_at + timedelta(seconds=30))
        async with asyncio.timeout(15):
            while (await env.http.get(path_of(callback))).json()["deadline"] != changed:
                pass
        await handle.terminate()


async def test_default_answer_is_accepted_at_the_deadline(
    open_env: OpenEnv, service: FakeService
) -> None:
    options = {"deadline": timedelta(seconds=1), "on_deadline": "nobody"}
    async with open_env(asking(service, **options)) as env:
        handle = await start(env)

        assert await handle.result() == "nobody"
