"""An answer that comes while the activity's function still runs, and what comes of the function."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client
from temporalio.service import RPCStatusCode

from tests.integration.facts.answers import GONE_BY_TOKEN, refusal
from tests.integration.facts.env import Attempt, Env, Question
from tests.integration.facts.workflows import AskHere, Asking

pytestmark = [pytest.mark.server, pytest.mark.thorough]


class Held:
    """The body of an activity that goes on when the test says so, and what became of it."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def until_told(self) -> None:
        """Wait, and keep how that ended."""
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.ended.set_result(activity.cancellation_details())
            raise

    async def return_a_value(self) -> Any:
        """Return a value in the end."""
        await self.until_told()
        self.ended.set_result("returned")
        return "the function's own"

    async def go_asynchronous(self) -> Any:
        """Go asynchronous in the end."""
        await self.until_told()
        self.ended.set_result("asynchronous")
        activity.raise_complete_async()

    async def heartbeat(self) -> Any:
        """Heartbeat in the end, and wait for what comes of it."""
        await self.until_told()
        activity.heartbeat()
        self.go_on.clear()
        await self.until_told()


@pytest.fixture
async def held() -> Held:
    return Held()


async def hold(env: Env, body: Any, asking: Asking | None = None) -> tuple[Question, Attempt]:
    """Ask an activity that is held."""
    question = await env.start(asking or Asking(), body=body)
    return question, await question.next()


@pytest.mark.parametrize("by", ["token", "id"])
@pytest.mark.parametrize("then", ["return_a_value", "go_asynchronous"])
async def test_an_answer_is_taken_while_the_function_runs_and_the_function_changes_nothing(
    env: Env, held: Held, by: str, then: str
) -> None:
    question, attempt = await hold(env, getattr(held, then))
    handle = attempt.by_token if by == "token" else attempt.by_id

    await handle.complete("early")
    result = await question.result()
    is_running = not held.ended.done()
    held.go_on.set()
    await held.ended

    assert (result, is_running) == ("early", True)
    (completed,) = await question.events("activity_task_completed")
    assert completed.result.payloads[0].data == b'"early"'
    assert await question.result() == "early"


async def test_a_function_that_heartbeats_after_the_answer_is_canceled_as_not_found(
    env: Env, held: Held
) -> None:
    question, attempt = await hold(env, held.heartbeat, Asking(heartbeat=30))

    await attempt.by_id.complete("early")
    held.go_on.set()

    async with asyncio.timeout(15):
        details = await held.ended
    assert details.not_found
    assert await question.result() == "early"


async def test_an_early_failure_starts_the_next_attempt_beside_the_first(
    env: Env, held: Held
) -> None:
    question, attempt = await hold(env, held.return_a_value, Asking(back_off=0.01))

    await attempt.by_token.fail(RuntimeError("early"))
    second = await question.next()

    assert second.info.attempt == 2
    assert not held.ended.done()
    await second.by_id.complete("by the second")
    assert await question.result() == "by the second"
    held.go_on.set()
    await held.ended


async def test_a_worker_that_ends_before_the_function_went_asynchronous_takes_the_token_along(
    client: Client, held: Held
) -> None:
    own = Env(client, f"test-{uuid4()}")
    async with own.worker():
        question, attempt = await hold(own, held.go_asynchronous)

    details = await held.ended
    pending = await question.pending()
    assert details.worker_shutdown
    assert pending.attempt == 2
    assert pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    assert await refusal(attempt.by_token.complete("late")) == GONE_BY_TOKEN
    await attempt.by_id.complete("the ids still work")
    await own.close()


async def test_an_answer_needs_no_worker(client: Client) -> None:
    own = Env(client, f"test-{uuid4()}")
    async with own.worker():
        question, attempt = await own.ask()

    await attempt.by_token.complete("nobody is there")
    (completed,) = await question.events("activity_task_completed")
    async with own.worker():
        result = await question.result()

    assert completed.result.payloads[0].data == b'"nobody is there"'
    assert result == "nobody is there"


async def test_a_function_in_a_thread_goes_asynchronous_as_well(env: Env) -> None:
    question, attempt = await env.ask(Asking(activity="ask in a thread"))

    await attempt.by_token.complete("from a thread")

    assert await question.result() == "from a thread"


async def test_the_server_does_not_know_a_local_activity(env: Env, held: Held) -> None:
    question = await env.start(Asking(), workflow=AskHere, body=held.return_a_value)
    attempt = await question.next()

    status, _ = await refusal(attempt.by_token.complete("from outside"))

    assert attempt.info.is_local
    assert attempt.info.task_token.startswith(b"local_act_")
    assert status == RPCStatusCode.INVALID_ARGUMENT
    assert not (await question.describe()).pending_activities
    held.go_on.set()
    assert await question.result() == "the function's own"
