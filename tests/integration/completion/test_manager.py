"""A manager keeps activities of the real server alive, and reports their cancellation."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError, CancelledError

from ringback import ActivityManager, AsyncCompletionClient, Stopped
from tests.integration.completion.verbs import token
from tests.integration.facts.env import Env
from tests.integration.facts.workflows import AskAndStay, Asking

pytestmark = pytest.mark.server

OFTEN = timedelta(seconds=0.3)


async def test_activity_outlives_its_heartbeat_timeout_between_start_and_completion(
    env: Env, completion: AsyncCompletionClient
) -> None:
    asking = Asking(heartbeat=1, maximum_attempts=1)
    silent, _ = await env.ask(asking, workflow=AskAndStay)
    question, attempt = await env.ask(asking)

    async with ActivityManager(completion, every=OFTEN) as manager:
        manager.start("printer", token(attempt), details={"status": "printing"})
        await silent.until_over()
        await manager.complete("printer", "in time")

    assert await question.result() == "in time"


async def test_requested_cancellation_is_reported_by_name(
    env: Env, completion: AsyncCompletionClient
) -> None:
    question, attempt = await env.ask(Asking(heartbeat=60))
    stopped: asyncio.Queue[tuple[str, Stopped]] = asyncio.Queue()

    async with ActivityManager(
        completion, every=OFTEN, on_stop=lambda name, why: stopped.put_nowait((name, why))
    ) as manager:
        manager.start("printer", token(attempt))
        await question.handle.cancel()
        seen = await stopped.get()
        await manager.cancel("printer", {"reason": "no paper"})

    with pytest.raises(WorkflowFailureError) as raised:
        await question.result()
    error = raised.value.cause
    cause = error.cause if isinstance(error, ActivityError) else error
    assert seen == ("printer", Stopped.CANCELED)
    assert isinstance(cause, CancelledError)
