"""Cancellation, in each way that a workflow may ask for it."""

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.workflow import ActivityCancellationType

from ringback import ActivityCancelledError, ActivityNotFoundError, AsyncCompletionClient
from ringback.domain.completion_errors import CompletionRefusedError
from tests.integration.completion.verbs import By, by_either, errors_of_all_verbs, raised
from tests.integration.facts.answers import ById, until_asked_to_cancel
from tests.integration.facts.env import Attempt, Env, Question, until
from tests.integration.facts.workflows import AskAndStay, Asking

pytestmark = pytest.mark.server

Type = ActivityCancellationType


async def ask_and_cancel(env: Env, kind: ActivityCancellationType) -> tuple[Question, Attempt]:
    """Return a question that its workflow has asked to cancel, and the workflow stays open."""
    question, attempt = await env.ask(Asking(cancellation=kind), workflow=AskAndStay)
    await question.handle.cancel()
    await until_asked_to_cancel(ById(attempt))
    return question, attempt


async def ask_and_abandon(env: Env) -> tuple[Question, Attempt]:
    """Return a question that its workflow has given up, and the workflow stays open."""
    asking = Asking(cancellation=Type.ABANDON)
    question, attempt = await env.ask(asking, workflow=AskAndStay)
    await question.handle.cancel()
    await until(lambda: question.events("workflow_execution_cancel_requested"), len)
    return question, attempt


@by_either
async def test_a_workflow_that_waits_gets_the_report_with_its_details(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await ask_and_cancel(env, Type.WAIT_CANCELLATION_COMPLETED)
    await raised(completion.heartbeat(by(attempt)), ActivityCancelledError)

    await completion.report_cancellation(by(attempt), {"why": "asked"}, 2)

    (canceled,) = await question.events("activity_task_canceled")
    assert [one.data for one in canceled.details.payloads] == [b'{"why":"asked"}', b"2"]
    assert canceled.identity.startswith(f"{env.client.identity}/")


@by_either
async def test_a_report_needs_no_details(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await ask_and_cancel(env, Type.WAIT_CANCELLATION_COMPLETED)

    await completion.report_cancellation(by(attempt))

    (canceled,) = await question.events("activity_task_canceled")
    assert not canceled.HasField("details")


@by_either
async def test_a_workflow_that_waits_takes_a_result_all_the_same(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await ask_and_cancel(env, Type.WAIT_CANCELLATION_COMPLETED)

    await completion.complete(by(attempt), "done all the same")

    (completed,) = await question.events("activity_task_completed")
    assert completed.result.payloads[0].data == b'"done all the same"'


@by_either
async def test_a_workflow_that_does_not_wait_still_reports_it_and_accepts_the_report(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await ask_and_cancel(env, Type.TRY_CANCEL)

    error = await raised(completion.heartbeat(by(attempt)), ActivityCancelledError)
    await completion.report_cancellation(by(attempt), "why")

    assert error.details.cancel_requested
    assert len(await question.events("activity_task_canceled")) == 1


@by_either
async def test_an_abandoned_activity_receives_nothing_and_takes_no_report_but_a_result(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await ask_and_abandon(env)

    await completion.heartbeat(by(attempt))
    error = await raised(completion.report_cancellation(by(attempt)), CompletionRefusedError)
    await completion.complete(by(attempt), "taken")

    assert "without activity being request canceled first" in str(error)
    # While a workflow task is under way, an event waits for its end before it is history.
    taken = await until(lambda: question.events("activity_task_completed"), len)
    assert len(taken) == 1


@by_either
@pytest.mark.parametrize("kind", [Type.TRY_CANCEL, Type.ABANDON], ids=lambda kind: kind.name)
async def test_after_the_workflow_has_closed_nobody_waits(
    env: Env, completion: AsyncCompletionClient, by: By, kind: ActivityCancellationType
) -> None:
    question, attempt = await env.ask(Asking(cancellation=kind))
    await question.handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await question.result()

    errors = await errors_of_all_verbs(completion, by(attempt))

    assert errors == {ActivityNotFoundError}


@by_either
async def test_a_report_that_nobody_asked_for_is_refused_and_changes_nothing(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await env.ask()

    error = await raised(completion.report_cancellation(by(attempt)), CompletionRefusedError)

    assert error.cause is not None
    await completion.complete(by(attempt), "still open")
    assert await question.result() == "still open"
