"""Which attempt an answer ends, also after a reset, on the real server."""

import asyncio
from typing import Any

import pytest
from temporalio import activity

from ringback import Callback, wait_for_callback
from ringback.settings import Settings
from ringback.worker.options import WhichAttempts
from tests.integration.conftest import OpenEnv
from tests.integration.env import Env, FakeService, gateway, path_of, worker
from tests.integration.facts.operator_actions import reset_activity, reset_workflow
from tests.integration.operated_workflow import Workflow
from tests.integration.workflows import Run, RunAndContinue

pytestmark = pytest.mark.server


def asking(
    service: FakeService,
    *,
    attempts: WhichAttempts = "any",
    resubmit: bool = False,
    follow_reset: bool = False,
) -> Any:
    @activity.defn(name="ask")
    async def ask() -> Any:
        return await wait_for_callback(
            service.submit,
            object,
            attempts=attempts,
            resubmit=resubmit,
            follow_reset=follow_reset,
        )

    return ask


async def test_where_only_the_current_attempt_counts_each_has_a_link_of_its_own(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service, attempts="current")) as env:
        handle = await env.start(Run("ask", start_to_close=1, attempts=3))
        first, second = await service.next(), await service.next()

        late = await env.answer(first, "to attempt 1")
        await env.answer(second, "to attempt 2")

        assert first.id != second.id
        assert (late.status_code, late.json()["reason"]) == (
            410,
            "a later attempt opened a new callback",
        )
        assert await handle.result() == "to attempt 2"


async def test_a_submit_is_repeated_in_each_attempt_where_that_is_asked_for(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service, resubmit=True)) as env:
        handle = await env.start(Run("ask", start_to_close=1, attempts=3))
        first, second = await service.next(), await service.next()

        await env.answer(first)

        assert first.url == second.url
        assert second.is_submitted
        assert await handle.result() == "the answer"


@pytest.mark.parametrize("attempts", ["any", "current"])
async def test_an_activity_that_an_operator_reset_still_takes_its_answer(
    open_env: OpenEnv, service: FakeService, attempts: WhichAttempts
) -> None:
    """Its token is dead by then: its second attempt is called the first."""
    ask = asking(service, attempts=attempts, resubmit=True)
    async with open_env(ask) as env:
        handle = await env.start(Run("ask", start_to_close=2, attempts=5))
        await service.next()
        callback = await service.next()
        workflow = Workflow(env.client, handle)
        await reset_activity(workflow)
        assert (await workflow.pending()).attempt == 1

        reply = await env.answer(callback, wait=5)

        assert (reply.status_code, reply.json()["state"]) == (200, "applied")
        assert await handle.result() == "the answer"


async def test_reset_workflow_opens_a_new_callback(open_env: OpenEnv, service: FakeService) -> None:
    async with open_env(asking(service)) as env:
        handle = await env.start(Run("ask"))
        before = await service.next()
        workflow = Workflow(env.client, handle)
        await reset_workflow(workflow, await workflow.step())
        after = await service.next()

        late = await env.answer(before, "to the run that is gone")
        await env.answer(after, "to the new run")

        assert before.id != after.id
        assert late.status_code == 410
        newest = env.client.get_workflow_handle(handle.id)
        assert await newest.result() == "to the new run"


async def test_callback_that_follows_resets_keeps_its_link_without_another_submit(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service, follow_reset=True)) as env:
        handle = await env.start(Run("ask"))
        callback = await service.next()
        workflow = Workflow(env.client, handle)
        await reset_workflow(workflow, await workflow.step())

        reply = await env.answer(callback)

        assert reply.json()["state"] == "applied"
        newest = env.client.get_workflow_handle(handle.id)
        assert await newest.result() == "the answer"
        assert service.given.empty()


async def test_an_answer_that_came_before_the_reset_is_applied_in_the_new_run(
    open_env: OpenEnv, service: FakeService
) -> None:
    """It was accepted, and its workflow was reset before the delivery."""
    async with open_env(asking(service, follow_reset=True)) as env:
        handle = await env.start(Run("ask"))
        callback = await service.next()
        await env.answer(callback, "before the reset")
        assert await handle.result() == "before the reset"
        workflow = Workflow(env.client, handle)
        await reset_workflow(workflow, await first_step(workflow))

        newest = env.client.get_workflow_handle(handle.id)

        assert await newest.result() == "before the reset"
        assert service.given.empty()


async def first_step(workflow: Workflow) -> int:
    """Return the event that took in the answer: before it, the activity waited."""
    return [
        event.event_id
        async for event in workflow.handle.fetch_history_events()
        if event.HasField("workflow_task_completed_event_attributes")
    ][-1]


async def test_a_run_that_a_workflow_continued_as_is_never_answered_for_the_one_before(
    open_env: OpenEnv, service: FakeService
) -> None:
    async with open_env(asking(service, follow_reset=True)) as env:
        run = Run("ask", start_to_close=1, times=2)
        handle = await env.start(run, RunAndContinue)
        first = await service.next()
        second = await service.next()

        late = await env.http.post(path_of(first), json="to the first", headers=PATIENT)
        await env.answer(second, "to the second")

        assert first.id != second.id
        assert late.status_code == 410
        assert await handle.result() == "to the second"


PATIENT = {"prefer": "wait=10"}


async def test_a_worker_that_stops_between_submit_and_sleep_leaves_a_link_that_works(
    temporal_address: str, settings: Settings, unique: str, service: FakeService
) -> None:
    """Temporal ends that attempt, and its token with it; the sender already has the link."""

    @activity.defn
    async def ask() -> Any:
        async def submit(callback: Callback) -> None:
            await service.submit(callback)
            if activity.info().attempt == 1:
                await asyncio.Event().wait()

        return await wait_for_callback(submit, object)

    async with gateway(temporal_address, settings) as http:
        async with worker(temporal_address, settings, unique, activities=[ask]) as client:
            env = Env(client, settings, unique, http, service)
            handle = await env.start(Run("ask", attempts=3))
            given = await service.next()
        await env.answer(given, "early", wait=0)
        async with worker(temporal_address, settings, unique, activities=[ask]):
            assert await handle.result() == "early"
