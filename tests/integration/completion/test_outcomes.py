"""Complete, fail and cancel an activity by token and by ids."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError, ApplicationErrorCategory

from ringback import AsyncCompletionClient
from tests.integration.completion.verbs import FINAL, By, by_either, in_every_way
from tests.integration.facts.env import Env, Question
from tests.integration.facts.workflows import AskAndStay, Asking

pytestmark = pytest.mark.server


async def cause_of(question: Question) -> ApplicationError:
    """Return why the workflow's activity failed."""
    with pytest.raises(WorkflowFailureError) as caught:
        await question.result()
    assert isinstance(caught.value.cause, ActivityError)
    assert isinstance(caught.value.cause.cause, ApplicationError)
    return caught.value.cause.cause


@in_every_way
async def test_a_completion_brings_its_result(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await env.ask()

    await completion.complete(by(attempt), {"approved": True})

    assert await question.result() == {"approved": True}


@by_either
async def test_no_result_is_not_the_result_none(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    (nothing, one), (none, two) = await asyncio.gather(
        env.ask(workflow=AskAndStay), env.ask(workflow=AskAndStay)
    )

    await completion.complete(by(one))
    await completion.complete(by(two), None)

    (without,) = await nothing.events("activity_task_completed")
    (with_none,) = await none.events("activity_task_completed")
    assert not without.HasField("result")
    assert [one.metadata["encoding"] for one in with_none.result.payloads] == [b"binary/null"]


@in_every_way
async def test_a_failure_says_all_that_an_application_error_can(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await env.ask()
    error = ApplicationError(
        "denied",
        {"by": "Ann"},
        7,
        type="ApprovalDenied",
        non_retryable=True,
        category=ApplicationErrorCategory.BENIGN,
    )

    await completion.fail(by(attempt), error)

    cause = await cause_of(question)
    assert (cause.message, cause.type, cause.non_retryable) == ("denied", "ApprovalDenied", True)
    assert cause.details == ({"by": "Ann"}, 7)
    assert cause.category == ApplicationErrorCategory.BENIGN


@by_either
@pytest.mark.parametrize("error", [KeyError("x"), asyncio.CancelledError("x"), SystemExit("x")])
async def test_any_exception_fails_an_attempt_by_the_name_of_its_class(
    env: Env, completion: AsyncCompletionClient, by: By, error: BaseException
) -> None:
    question, attempt = await env.ask(Asking(maximum_attempts=1))

    await completion.fail(by(attempt), error)

    assert (await cause_of(question)).type == type(error).__name__


@by_either
async def test_a_failure_says_when_to_try_again_and_leaves_details_to_the_next_attempt(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await env.ask(Asking(back_off=60))
    error = ApplicationError("busy", next_retry_delay=timedelta(milliseconds=10))

    await completion.fail(by(attempt), error, last_heartbeat_details=["page", 7])

    again = await question.next()
    assert again.info.attempt == 2
    assert again.info.heartbeat_details == ["page", 7]


@by_either
async def test_each_call_goes_by_a_name_of_its_own_after_the_client_s(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    (completed, one), (failed, two) = await asyncio.gather(
        env.ask(workflow=AskAndStay), env.ask(workflow=AskAndStay)
    )

    await completion.complete(by(one), "done")
    await completion.fail(by(two), FINAL)

    (first,) = await completed.events("activity_task_completed")
    (second,) = await failed.events("activity_task_failed")
    assert first.identity.startswith(f"{env.client.identity}/")
    assert second.identity.startswith(f"{env.client.identity}/")
    assert first.identity != second.identity
    assert second.failure.source == second.identity


async def test_calls_made_without_the_client_are_still_to_hand(
    env: Env, completion: AsyncCompletionClient
) -> None:
    assert completion.workflow_service is env.client.workflow_service
