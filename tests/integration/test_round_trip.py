"""An activity submits, a sender answers, and the workflow continues, on the real server."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError
from temporalio.exceptions import TimeoutError as ActivityTimeoutError

from ringback import (
    Callback,
    open_callback,
    open_callback_sync,
    wait_for_callback,
    wait_for_callback_sync,
)
from ringback.domain.durations import format_instant
from tests.integration.conftest import OpenEnv
from tests.integration.env import FakeService, between_attempts, path_of
from tests.integration.workflows import Run
from tests.polling import pause

pytestmark = pytest.mark.server


def asking(service: FakeService) -> Any:
    """An activity that asks with `wait_for_callback`."""

    @activity.defn(name="ask")
    async def ask() -> Any:
        return await wait_for_callback(service.submit, object)

    return ask


def asking_in_a_thread(service: FakeService) -> Any:
    @activity.defn(name="ask")
    def ask() -> Any:
        return wait_for_callback_sync(service.submit_in_a_thread, object)

    return ask


def asking_in_a_block(service: FakeService) -> Any:
    @activity.defn(name="ask")
    async def ask() -> Any:
        async with open_callback() as callback:
            await service.submit(callback)
        activity.raise_complete_async()

    return ask


def asking_in_a_block_in_a_thread(service: FakeService) -> Any:
    @activity.defn(name="ask")
    def ask() -> Any:
        with open_callback_sync() as callback:
            service.submit_in_a_thread(callback)
        activity.raise_complete_async()

    return ask


ASKING = [asking, asking_in_a_thread, asking_in_a_block, asking_in_a_block_in_a_thread]


async def end_of(handle: Any) -> object:
    """Return the workflow's result, or the message of what failed its activity."""
    try:
        return await handle.result()
    except WorkflowFailureError as exc:
        failure = exc.cause.cause if isinstance(exc.cause, ActivityError) else None
        return failure.message if isinstance(failure, ApplicationError) else failure


async def cause(handle: Any) -> BaseException:
    """Return what ended the activity."""
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    failure = caught.value.cause
    # The failure of a local activity that is not retried comes without its wrapping.
    cause = failure.cause if isinstance(failure, ActivityError) else failure
    assert cause is not None
    return cause


@pytest.mark.parametrize("ask", ASKING, ids=lambda ask: ask.__name__)
@pytest.mark.parametrize("result", [{"amount": 5}, [1, "two"], "x", 0, False, None], ids=repr)
async def test_workflow_gets_the_answer(
    open_env: OpenEnv, service: FakeService, ask: Any, result: object
) -> None:
    async with open_env(ask(service)) as env:
        handle = await env.start(Run("ask"))

        reply = await env.answer(await service.next(), result)

        assert (reply.status_code, reply.json()["state"]) == (200, "applied")
        assert await handle.result() == result


async def test_failure_reaches_the_workflow_with_all_its_fields(
    open_env: OpenEnv, service: FakeService
) -> None:
    body = {
        "message": "card declined",
        "type": "Declined",
        "non_retryable": True,
        "details": [{"code": 5}, "x"],
    }
    async with open_env(asking(service)) as env:
        handle = await env.start(Run("ask", attempts=5))

        await env.answer(await service.next(), body, verb="/fail")

        failure = await cause(handle)
        assert isinstance(failure, ApplicationError)
        assert (failure.message, failure.type) == ("card declined", "Declined")
        assert failure.non_retryable
        assert failure.details == ({"code": 5}, "x")


async def test_sender_sees_a_cancellation_and_reports_it_with_details(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service)) as env:
        handle = await env.start(Run("ask"))
        callback = await service.next()
        await handle.cancel()
        async with asyncio.timeout(15):
            while not (await env.http.get(path_of(callback))).json()["cancel_requested"]:
                await pause()

        reply = await env.answer(callback, {"why": "asked"}, verb="/cancel")

        assert reply.status_code == 200
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        assert isinstance(caught.value.cause, CancelledError)


async def test_heartbeats_keep_the_activity_alive_and_an_empty_one_erases_nothing(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service)) as env:
        handle = await env.start(Run("ask"))
        path = path_of(await service.next())

        await env.http.post(f"{path}/heartbeat", json={"progress": 0.5})
        await env.http.post(f"{path}/heartbeat")

        (pending,) = (await handle.describe()).raw_description.pending_activities
        assert pending.heartbeat_details.payloads[0].data == b'{"progress":0.5}'
        await handle.terminate()


async def test_answer_before_submit_returns_is_used(
    open_env: OpenEnv, service: FakeService
) -> None:
    answered = asyncio.Event()

    @activity.defn
    async def ask() -> Any:
        async def submit(callback: Callback) -> None:
            await service.submit(callback)
            await answered.wait()

        return await wait_for_callback(submit, object)

    async with open_env(ask) as env:
        handle = await env.start(Run("ask"))

        await env.answer(await service.next(), "early")
        result = await handle.result()
        answered.set()

        assert result == "early"


async def test_second_attempt_has_the_same_link_and_does_not_submit_again(
    open_env: OpenEnv, service: FakeService
) -> None:
    urls: asyncio.Queue[str] = asyncio.Queue()

    @activity.defn
    async def ask() -> Any:
        async with open_callback() as callback:
            urls.put_nowait(callback.url)
            if not callback.is_submitted:
                await service.submit(callback)

    async with open_env(ask) as env:
        handle = await env.start(Run("ask", start_to_close=1, attempts=3))
        first, second = await urls.get(), await urls.get()
        callback = await service.next()

        await env.answer(callback, "late")

        assert first == second == callback.url
        assert service.given.empty()
        assert await handle.result() == "late"


def failing_once(service: FakeService) -> Any:
    @activity.defn(name="ask")
    async def ask() -> Any:
        async def submit(callback: Callback) -> None:
            await service.submit(callback)
            fail_in_the_first_attempt()

        return await wait_for_callback(submit, object)

    return ask


def failing_once_in_a_thread(service: FakeService) -> Any:
    @activity.defn(name="ask")
    def ask() -> Any:
        def submit(callback: Callback) -> None:
            service.submit_in_a_thread(callback)
            fail_in_the_first_attempt()

        return wait_for_callback_sync(submit, object)

    return ask


def fail_in_the_first_attempt() -> None:
    if activity.info().attempt == 1:
        msg = "no connection"
        raise ConnectionError(msg)


@pytest.mark.parametrize("ask", [failing_once, failing_once_in_a_thread], ids=["async", "thread"])
async def test_failed_submit_is_repeated_with_the_same_callback(
    open_env: OpenEnv, service: FakeService, ask: Any
) -> None:
    async with open_env(ask(service)) as env:
        handle = await env.start(Run("ask", attempts=2))

        first, second = await service.next(), await service.next()
        await env.answer(second)

        assert first.id == second.id
        assert await handle.result() == "the answer"


@pytest.mark.parametrize(
    ("body", "verb", "end"),
    [
        ("the answer", "", "the answer"),
        ({"message": "declined", "non_retryable": True}, "/fail", "declined"),
    ],
    ids=["completed", "failed"],
)
async def test_answer_between_two_attempts_ends_the_activity_without_another_submit(
    open_env: OpenEnv, service: FakeService, *, body: object, verb: str, end: str
) -> None:
    @activity.defn
    async def ask() -> Any:
        async def submit(callback: Callback) -> None:
            await service.submit(callback)
            msg = "lost the connection after the request was sent"
            raise ConnectionError(msg)

        return await wait_for_callback(submit, object)

    async with open_env(ask) as env:
        handle = await env.start(Run("ask", attempts=2, back_off=2))
        callback = await service.next()
        await between_attempts(handle)

        reply = await env.answer(callback, body, verb=verb, wait=0)

        assert reply.status_code == 202
        assert await end_of(handle) == end
        assert service.given.empty()


async def test_retryable_failure_makes_the_next_attempt_submit_again(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service)) as env:
        handle = await env.start(Run("ask", attempts=2))
        first = await service.next()

        await env.answer(first, {"message": "busy"}, verb="/fail")
        second = await service.next()
        await env.answer(second, "done")

        assert second.id != first.id
        assert await handle.result() == "done"


async def test_an_activity_that_waits_twice_as_two_activities_has_two_callbacks(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service)) as env:
        handle = await env.start(Run("ask", times=2))

        first = await service.next()
        await env.answer(first, 1)
        second = await service.next()
        await env.answer(second, 2)

        assert first.id != second.id
        assert await handle.result() == 2


async def test_the_deadline_is_the_activity_s_own(open_env: OpenEnv, service: FakeService) -> None:
    async with open_env(asking(service)) as env:
        handle = await env.start(Run("ask", start_to_close=50, schedule_to_close=40))
        callback = await service.next()
        (pending,) = (await handle.describe()).raw_description.pending_activities

        view = (await env.http.get(path_of(callback))).json()

        scheduled_at = pending.scheduled_time.ToDatetime(callback.deadline_at.tzinfo)  # type: ignore[union-attr]  # the activity has one
        assert callback.deadline_at == scheduled_at + timedelta(seconds=40)
        assert view["deadline"] == format_instant(callback.deadline_at)
        await handle.terminate()


async def test_late_answer_to_a_timed_out_activity_returns_410(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service)) as env:
        handle = await env.start(Run("ask", start_to_close=1))
        callback = await service.next()
        assert isinstance(await cause(handle), ActivityTimeoutError)
        async with asyncio.timeout(15):
            while (await env.http.get(path_of(callback))).json()["state"] == "open":
                pass

        reply = await env.answer(callback)

        assert reply.status_code == 410
        assert "timed out" in reply.json()["reason"]


async def test_answer_to_a_terminated_workflow_is_superseded(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service)) as env:
        handle = await env.start(Run("ask"))
        callback = await service.next()
        await handle.terminate()

        reply = await env.answer(callback)

        assert reply.status_code == 410
        assert "workflow terminated" in reply.json()["reason"]


async def test_a_local_activity_is_refused_and_does_not_hang(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service)) as env:
        handle = await env.start(Run("ask", is_local=True, attempts=0))

        failure = await cause(handle)

        assert isinstance(failure, ApplicationError)
        assert failure.non_retryable
        assert "a local activity cannot wait" in str(failure)
        assert service.given.empty()
