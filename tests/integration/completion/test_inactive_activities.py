"""What is not there, or no longer, or not yet: between attempts, ended, closed, never known."""

import asyncio
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.service import RPCError, RPCStatusCode

from ringback import ActivityNotFoundError, ActivityRef, AsyncCompletionClient, FinalError
from ringback.completion.refs import Target
from ringback.domain.completion_errors import CompletionRefusedError
from tests.integration.completion.verbs import (
    FINAL,
    By,
    by_either,
    errors_of_all_verbs,
    ids,
    ids_of_the_latest,
    in_every_way,
    raised,
    token,
)
from tests.integration.facts.env import Env, Question, until
from tests.integration.facts.operator_actions import pause, reset_workflow
from tests.integration.facts.workflows import AskAndStay, Asking, AskInTwoRuns, AskTwice

pytestmark = pytest.mark.server

NOBODY = {ActivityNotFoundError}


async def delete(question: Question) -> None:
    """Delete a workflow that runs; of one that is closed nothing is gone for half a minute."""
    service = question.client.workflow_service
    await service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=question.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=question.handle.id),
        )
    )

    async def is_gone() -> bool:
        try:
            await question.describe()
        except RPCError as exc:
            return exc.status is RPCStatusCode.NOT_FOUND
        return False

    await until(is_gone, bool)


@by_either
async def test_what_was_answered_takes_no_second_answer(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await env.ask(workflow=AskAndStay)
    await completion.complete(by(attempt), "first")

    errors = await errors_of_all_verbs(completion, by(attempt))

    assert errors == NOBODY
    (completed,) = await question.events("activity_task_completed")
    assert completed.result.payloads[0].data == b'"first"'


async def test_of_many_answers_at_once_exactly_one_is_taken(
    env: Env, completion: AsyncCompletionClient
) -> None:
    question, attempt = await env.ask(workflow=AskAndStay)
    targets: list[Target] = [token(attempt), ids(attempt), ids_of_the_latest(attempt)] * 4

    answers = await asyncio.gather(
        *(completion.complete(target, n) for n, target in enumerate(targets)),
        return_exceptions=True,
    )

    winner = answers.index(None)
    assert sum(isinstance(answer, ActivityNotFoundError) for answer in answers) == 11
    (completed,) = await question.events("activity_task_completed")
    assert completed.result.payloads[0].data == str(winner).encode()


@in_every_way
async def test_a_closed_a_terminated_and_a_deleted_workflow_wait_for_nothing(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    (closed, one), (terminated, two), (deleted, three) = await asyncio.gather(
        env.ask(), env.ask(), env.ask()
    )
    await completion.complete(by(one), "done")
    await closed.result()
    await terminated.handle.terminate()
    await delete(deleted)

    for attempt in (one, two, three):
        assert await errors_of_all_verbs(completion, by(attempt)) == NOBODY


@by_either
async def test_an_activity_that_timed_out_waits_no_more(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    asking = Asking(start_to_close=1, maximum_attempts=1)
    question, attempt = await env.ask(asking, workflow=AskAndStay)
    await question.until_over()

    assert await errors_of_all_verbs(completion, by(attempt)) == NOBODY


async def test_in_back_off_a_token_is_dead_and_ids_take_a_completion_only(
    env: Env, completion: AsyncCompletionClient
) -> None:
    question, attempt = await env.ask()
    await completion.fail(token(attempt), RuntimeError("busy"))

    by_token = await errors_of_all_verbs(completion, token(attempt))
    await raised(completion.fail(ids(attempt), FINAL), ActivityNotFoundError)
    await raised(completion.heartbeat(ids(attempt)), ActivityNotFoundError)
    await completion.complete(ids(attempt), "between attempts")

    assert by_token == NOBODY
    assert await question.result() == "between attempts"


async def test_while_paused_between_attempts_ids_take_a_completion(
    env: Env, completion: AsyncCompletionClient
) -> None:
    question, attempt = await env.ask(Asking(back_off=0.01))
    await pause(question)
    await completion.fail(token(attempt), RuntimeError("busy"))

    await raised(completion.complete(token(attempt), "late"), ActivityNotFoundError)
    await completion.complete(ids(attempt), "all the same")

    assert await question.result() == "all the same"


async def test_a_second_attempt_waits_for_its_own_token_and_for_the_ids(
    env: Env, completion: AsyncCompletionClient
) -> None:
    one, first, second = await env.ask_twice()
    other, _, by_ids = await env.ask_twice()

    stale = await errors_of_all_verbs(completion, token(first))
    await completion.heartbeat(token(second), "page 2")
    await completion.complete(token(second), "by its token")
    await completion.complete(ids(by_ids), "by ids")

    assert stale == NOBODY
    assert await one.result() == "by its token"
    assert await other.result() == "by ids"


async def test_before_an_activity_was_started_ids_take_its_completion(
    env: Env, completion: AsyncCompletionClient
) -> None:
    question = await env.start(Asking(task_queue="nobody works here"))
    await until(question.describe, lambda seen: seen.pending_activities)

    await completion.complete(ActivityRef("1", question.handle.id), "early")

    assert await question.result() == "early"


async def test_ids_that_never_were_wait_for_nothing(
    env: Env, completion: AsyncCompletionClient
) -> None:
    question, _ = await env.ask()
    known = question.handle.id

    for ref in (
        ActivityRef("1", "nobody"),
        ActivityRef("9", known),
        ActivityRef("1", known, str(uuid4())),
        ActivityRef("nobody"),
    ):
        assert await errors_of_all_verbs(completion, ref) == NOBODY


@pytest.mark.parametrize(
    ("activity_id", "run_id", "namespace", "said"),
    [
        ("1", "x", None, "RunId is not valid UUID"),
        ("1", None, "nowhere", "Namespace nowhere is not found"),
    ],
)
async def test_ids_that_cannot_be_are_refused_with_what_the_server_says(
    completion: AsyncCompletionClient,
    activity_id: str,
    run_id: str | None,
    namespace: str | None,
    said: str,
) -> None:
    ref = ActivityRef(activity_id, "anything", run_id, namespace)

    error = await raised(completion.complete(ref, "x"), CompletionRefusedError)

    assert said in str(error)
    assert isinstance(error, FinalError)


async def test_the_run_id_keeps_a_late_answer_from_the_next_run(
    env: Env, completion: AsyncCompletionClient
) -> None:
    question, first = await env.ask(workflow=AskInTwoRuns)
    await completion.complete(ids(first), "first")
    second = await question.next()

    late = await errors_of_all_verbs(completion, ids(first))
    await completion.complete(ids_of_the_latest(second), "second")

    assert late == NOBODY
    assert await question.result() == "second"


async def test_a_token_of_an_earlier_activity_with_the_same_id_is_not_taken_for_one_of_a_reset(
    env: Env, completion: AsyncCompletionClient
) -> None:
    asking = Asking(activity_id="same", back_off=0.01)
    question, first = await env.ask(asking, workflow=AskTwice)
    await completion.fail(token(first), RuntimeError("busy"))
    second = await question.next()
    await completion.complete(token(second), "to the first question")
    await question.next()

    assert await errors_of_all_verbs(completion, token(second)) == NOBODY


async def test_after_a_workflow_reset_only_the_new_run_waits(
    env: Env, completion: AsyncCompletionClient
) -> None:
    question, old = await env.ask()
    await reset_workflow(question, 4)
    new = await question.next()

    assert await errors_of_all_verbs(completion, token(old)) == NOBODY
    assert await errors_of_all_verbs(completion, ids(old)) == NOBODY
    await completion.complete(token(new), "in the new run")
    assert await env.client.get_workflow_handle(question.handle.id).result() == "in the new run"
