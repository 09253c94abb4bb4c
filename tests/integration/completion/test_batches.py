"""Hundreds of activities at once, against the real server."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from temporalio.worker import Worker

from ringback import AsyncCompletionClient
from ringback.completion.batch import Ending, Progress, complete_many, completing_many
from ringback.completion.batcher import Batcher
from ringback.completion.failures import fail_with
from ringback.completion.refs import Target
from ringback.domain.completion_errors import ActivityNotFoundError
from tests.integration.completion.parallel_workflow import AskMany
from tests.integration.completion.verbs import ids, token
from tests.integration.facts.env import Attempt, Env, Question

pytestmark = pytest.mark.server

COUNT = 300


@dataclass(frozen=True)
class WaitingWorkflow:
    """A workflow that waits for many answers, and who they are wanted from."""

    question: Question
    attempts: list[Attempt]

    def targets(self) -> list[Target]:
        """Return every other one by its token, the rest by their ids."""
        return [(token, ids)[number % 2](one) for number, one in enumerate(self.attempts)]


AskAll = Callable[[], AbstractAsyncContextManager[WaitingWorkflow]]


@pytest.fixture
def ask_all(env: Env, unique: str) -> AskAll:
    @asynccontextmanager
    async def asked() -> AsyncIterator[WaitingWorkflow]:
        async with Worker(env.client, task_queue=unique, workflows=[AskMany], activities=[env.run]):
            handle = await env.client.start_workflow(
                AskMany.run, COUNT, id=unique, task_queue=unique
            )
            question = Question(env.client, handle, env.attempts[unique])
            attempts = [await question.next() for _ in range(COUNT)]
            yield WaitingWorkflow(
                question, sorted(attempts, key=lambda one: int(one.info.activity_id))
            )

    return asked


async def test_hundreds_of_results_reach_their_activities(
    ask_all: AskAll, completion: AsyncCompletionClient
) -> None:
    async with ask_all() as asked:
        targets = asked.targets()
        await completion.complete(targets[7], "somebody was first")

        deliveries = await complete_many(completion, zip(targets, range(COUNT), strict=True))

        answers = await asked.question.result()

    assert [one.target for one in deliveries] == targets
    assert [one.ending for one in deliveries if one is not deliveries[7]] == [Ending.COMPLETED] * (
        COUNT - 1
    )
    assert (deliveries[7].ending, deliveries[7].result) == (Ending.UNDELIVERED, 7)
    assert isinstance(deliveries[7].error, ActivityNotFoundError)
    assert answers == [*range(7), "somebody was first", *range(8, COUNT)]


async def test_how_they_ended_is_returned_while_others_are_under_way(
    ask_all: AskAll, completion: AsyncCompletionClient
) -> None:
    read = 0

    def results(targets: list[Target]) -> Any:
        nonlocal read
        for number, target in enumerate(targets):
            read += 1
            yield target, number

    async with ask_all() as asked:
        async with completing_many(
            completion, results(asked.targets()), concurrency=5
        ) as deliveries:
            await anext(deliveries)
            read_first = read
            rest = [one async for one in deliveries]

        await asked.question.result()

    assert 1 <= read_first <= 20
    assert len(rest) == COUNT - 1


async def test_hundreds_of_items_are_worked_off_in_batches(
    ask_all: AskAll, completion: AsyncCompletionClient, env: Env
) -> None:
    at_once, most = 0, 0

    async def work(number: int) -> str:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await env.client.service_client.check_health()
        at_once -= 1
        if number % 10 == 0:
            denied = fail_with("Denied", non_retryable=True)
            raise denied
        return f"worked on {number}"

    async with ask_all() as asked:
        async with Batcher(
            completion, work, size=20, every=timedelta(milliseconds=50), bound=40
        ) as batcher:
            puts = [
                await batcher.put(target, number) for number, target in enumerate(asked.targets())
            ]
            most_waiting = batcher.waiting

        answers = await asked.question.result()

    assert most == 20
    assert most_waiting <= 40
    assert batcher.progress == Progress(completed=270, failed=30)
    assert [put.result().ending for put in puts] == [
        Ending.COMPLETED if number % 10 else Ending.FAILED for number in range(COUNT)
    ]
    assert answers == [
        f"worked on {number}" if number % 10 else "Denied" for number in range(COUNT)
    ]
