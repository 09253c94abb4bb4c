"""Heartbeats, pauses and cancellations of activities on the real server."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from temporalio import activity
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError, FailureError

from ringback import wait_for_callback
from tests.integration.conftest import OpenEnv
from tests.integration.env import Env, FakeService, path_of
from tests.integration.facts.env import until
from tests.integration.facts.operator_actions import pause, reset_activity, unpause, update_options
from tests.integration.operated_workflow import Workflow
from tests.integration.workflows import Run

pytestmark = pytest.mark.server

LONG = 20
TIMEOUT = timedelta(seconds=2)


def asking(service: FakeService, **options: Any) -> Callable[..., Any]:
    @activity.defn(name="ask")
    async def ask() -> Any:
        return await wait_for_callback(service.submit, object, **options)

    return ask


async def next_change(env: Env, path: str, seen: httpx2.Response) -> httpx2.Response:
    """Wait like the holder of the link, until the status differs from `seen`."""
    headers = {"prefer": f"wait={LONG}", "if-none-match": seen.headers["etag"]}
    return await env.http.get(path, headers=headers)


def lived_for(pending: PendingActivityInfo) -> timedelta:
    """Return how long the attempt had lived at its last heartbeat."""
    heartbeat_sent_at, started_at = pending.last_heartbeat_time, pending.last_started_time
    return heartbeat_sent_at.ToDatetime() - started_at.ToDatetime()


async def cause(handle: WorkflowHandle[Any, Any]) -> BaseException | None:
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    failure = caught.value.cause
    return failure.cause if isinstance(failure, FailureError) and failure.cause else failure


async def test_activity_that_is_kept_alive_outlives_its_heartbeat_timeout(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service, heartbeat="gateway")) as env:
        handle = await env.start(Run("ask", heartbeat=2))
        callback = await service.next()
        pending = await until(
            Workflow(env.client, handle).pending, lambda seen: lived_for(seen) > 3 * TIMEOUT
        )

        reply = await env.answer(callback, "after a while")

        assert reply.status_code == 200
        assert pending.attempt == 1
        assert await handle.result() == "after a while"


async def test_frequent_heartbeats_of_a_sender_reach_temporal_in_time(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service)) as env:
        handle = await env.start(Run("ask", heartbeat=2))
        path = path_of(await service.next())

        for number in range(50):
            reply = await env.http.post(f"{path}/heartbeat", json=number)
            assert reply.status_code == 200
        pending = await until(
            Workflow(env.client, handle).pending,
            lambda seen: seen.heartbeat_details.payloads[0].data == b"49",
        )

        assert pending.attempt == 1
        await handle.terminate()


async def test_waiting_viewer_sees_a_pause_and_its_end(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service)) as env:
        handle = await env.start(Run("ask"))
        path = path_of(await service.next())
        seen = await env.http.get(path)

        waiting = asyncio.ensure_future(next_change(env, path, seen))
        await pause(Workflow(env.client, handle))
        paused = await waiting
        waiting = asyncio.ensure_future(next_change(env, path, paused))
        await unpause(Workflow(env.client, handle))
        unpaused = await waiting

        states = [reply.json()["paused"] for reply in (seen, paused, unpaused)]
        assert states == [False, True, False]
        await handle.terminate()


async def test_waiting_viewer_sees_a_cancellation_and_reports_it_with_details(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service)) as env:
        handle = await env.start(Run("ask"))
        callback = await service.next()
        seen = await env.http.get(path_of(callback))
        waiting = asyncio.ensure_future(next_change(env, path_of(callback), seen))

        await handle.cancel()
        told = await waiting
        reply = await env.answer(callback, {"undone": 3}, verb="/cancel")

        assert told.json()["cancel_requested"] is True
        assert reply.status_code == 200
        failure = await cause(handle)
        assert isinstance(failure, CancelledError)


async def test_unreported_cancellation_ends_the_activity_after_cancel_within(
    open_env: OpenEnv, service: FakeService
) -> None:
    silent = asking(service, cancel_within=timedelta(seconds=1))
    async with open_env(silent) as env:
        handle = await env.start(Run("ask"))
        callback = await service.next()

        await handle.cancel()

        failure = await cause(handle)
        assert isinstance(failure, CancelledError)

        async def state() -> str:
            view = await env.http.get(path_of(callback))
            return str(view.json()["state"])

        assert await until(state, lambda seen: seen != "accepted") == "applied"


async def test_changed_heartbeat_timeout_is_respected(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service, heartbeat="gateway")) as env:
        handle = await env.start(Run("ask", heartbeat=30))
        callback = await service.next()
        await update_options(Workflow(env.client, handle), heartbeat=12)

        pending = await until(
            Workflow(env.client, handle).pending, lambda seen: lived_for(seen) > timedelta(0)
        )

        assert lived_for(pending) < timedelta(seconds=12)
        assert (await env.answer(callback)).status_code == 200


async def test_after_a_reset_in_place_it_is_still_kept_alive(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service, heartbeat="gateway")) as env:
        handle = await env.start(Run("ask", heartbeat=2, attempts=3))
        first = await service.next()
        await env.answer(first, {"message": "again", "type": "Again"}, verb="/fail")
        second = await service.next()
        await reset_activity(Workflow(env.client, handle))

        pending = await until(
            Workflow(env.client, handle).pending, lambda seen: lived_for(seen) > 2 * TIMEOUT
        )
        reply = await env.answer(second, "done")

        assert pending.attempt == 1
        assert reply.status_code == 200
        assert await handle.result() == "done"
