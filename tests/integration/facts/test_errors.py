"""How the server refuses an answer."""

import asyncio
from uuid import uuid4

import pytest
from temporalio.api.errordetails.v1 import NotFoundFailure
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    TimeoutError,  # noqa: A004 - the SDK's name for its own error
    TimeoutType,
)
from temporalio.service import RPCError, RPCStatusCode

from tests.integration.facts.answers import (
    CLOSED,
    GONE_BY_ID,
    GONE_BY_TOKEN,
    NOT_ASKED_TO_CANCEL,
    ById,
    ByToken,
    Refusal,
    raw_refusals,
    refusal,
    refusals,
)
from tests.integration.facts.env import Env, Question
from tests.integration.facts.workflows import AskAndStay, Asking

pytestmark = [pytest.mark.server, pytest.mark.thorough]

INVALID = RPCStatusCode.INVALID_ARGUMENT
NOT_FOUND = RPCStatusCode.NOT_FOUND


async def waits(question: Question) -> bool:
    """Tell whether its activity still waits."""
    return len((await question.describe()).pending_activities) == 1


@pytest.mark.parametrize(
    ("token", "message"),
    [(b"", "Task token not set on request."), (b"garbage", "Error deserializing task token.")],
    ids=["empty", "garbage"],
)
async def test_bytes_that_are_not_a_token_are_an_invalid_argument(
    client: Client, token: bytes, message: str
) -> None:
    handle = client.get_async_activity_handle(task_token=token)

    assert await refusals(handle) == {Refusal(INVALID, message)}


async def test_a_token_opens_no_other_namespace_but_needs_none(env: Env) -> None:
    question, attempt = await env.ask()

    elsewhere = await raw_refusals(ByToken(attempt, namespace="temporal-system"))
    nowhere = await raw_refusals(ByToken(attempt, namespace="nowhere"))
    await ByToken(attempt, namespace="").complete()

    message = "Operation requested with a token from a different namespace."
    assert elsewhere == {Refusal(INVALID, message)}
    assert nowhere == {Refusal(NOT_FOUND, "Namespace nowhere is not found.")}
    assert await question.result() == 1


@pytest.mark.parametrize("by", ["token", "id"])
async def test_the_second_answer_is_not_found_whatever_the_first_was(env: Env, by: str) -> None:
    question, attempt = await env.ask(workflow=AskAndStay)
    handle = attempt.by_token if by == "token" else attempt.by_id

    await handle.complete("first")

    assert await refusals(handle) == {GONE_BY_TOKEN if by == "token" else GONE_BY_ID}
    assert await question.events("workflow_execution_completed") == []


async def test_an_answer_to_a_closed_workflow_is_not_found(env: Env) -> None:
    (finished, first), (killed, second) = await asyncio.gather(env.ask(), env.ask())
    await first.by_id.complete("done")
    assert await finished.result() == "done"
    await killed.handle.terminate()

    for attempt in (first, second):
        assert await refusals(attempt.by_token, attempt.by_id) == {CLOSED}


async def test_an_answer_after_the_last_time_out_is_not_found(env: Env) -> None:
    asking = Asking(start_to_close=1, maximum_attempts=1)
    question, attempt = await env.ask(asking, workflow=AskAndStay)
    await question.until_over()

    assert await refusals(attempt.by_token) == {GONE_BY_TOKEN}
    assert await refusals(attempt.by_id) == {GONE_BY_ID}


async def test_what_was_never_there_is_not_found_in_other_words(env: Env) -> None:
    question, _ = await env.ask()
    client, known, run_id = env.client, question.handle.id, str(uuid4())

    async def by_id(workflow_id: str, run_id: str | None, activity_id: str) -> set[Refusal]:
        return await refusals(
            client.get_async_activity_handle(
                workflow_id=workflow_id, run_id=run_id, activity_id=activity_id
            )
        )

    other_run = f'workflow execution not found for workflow ID "{known}" and run ID "{run_id}"'
    assert await by_id("nobody", None, "1") == {
        Refusal(NOT_FOUND, "workflow not found for ID: nobody")
    }
    assert await by_id(known, run_id, "1") == {Refusal(NOT_FOUND, other_run)}
    assert await by_id(known, "x", "1") == {Refusal(INVALID, "RunId is not valid UUID.")}
    assert await by_id(known, None, "9") == {
        Refusal(NOT_FOUND, GONE_BY_ID.message.replace("ID 1", "ID 9"))
    }
    assert await by_id(known, None, "") == {Refusal(INVALID, "ActivityId is not set on request.")}


async def test_nothing_but_its_text_distinguishes_one_not_found_from_another(env: Env) -> None:
    _, attempt = await env.ask()
    await attempt.by_id.complete("first")
    errors = []

    for handle in (attempt.by_token, attempt.by_id, attempt.by_id_in(str(uuid4()))):
        with pytest.raises(RPCError) as caught:
            await handle.complete("second")
        errors.append(caught.value)

    for error in errors:
        (detail,) = error.grpc_status.details
        assert detail.Is(NotFoundFailure.DESCRIPTOR)
        assert detail.value == b""


@pytest.mark.parametrize("by", ["token", "id"])
async def test_cancellation_without_a_request_is_refused_and_changes_nothing(
    env: Env, by: str
) -> None:
    question, attempt = await env.ask()
    handle = attempt.by_token if by == "token" else attempt.by_id

    assert await refusal(handle.report_cancellation()) == NOT_ASKED_TO_CANCEL
    assert await waits(question)


@pytest.mark.parametrize(
    "error",
    [
        CancelledError("why"),
        TimeoutError("why", type=TimeoutType.HEARTBEAT, last_heartbeat_details=[]),
    ],
    ids=["canceled", "timed out"],
)
async def test_a_token_takes_no_failure_but_one_of_the_application(
    env: Env, error: Exception
) -> None:
    question, attempt = await env.ask()

    answer = await refusal(attempt.by_token.fail(error))

    assert answer == Refusal(INVALID, "Failure must have ApplicationFailureInfo.")
    assert await waits(question)


async def test_ids_take_a_cancellation_as_a_failure_that_is_final(env: Env) -> None:
    question, attempt = await env.ask()

    await attempt.by_id.fail(CancelledError("why"))

    with pytest.raises(WorkflowFailureError):
        await question.result()
    (failed,) = await question.events("activity_task_failed")
    assert failed.failure.HasField("canceled_failure_info")


async def test_any_exception_becomes_a_retryable_failure_of_its_type(env: Env) -> None:
    question, attempt = await env.ask(Asking(maximum_attempts=1))

    await attempt.by_id.fail(KeyError("x"))

    with pytest.raises(WorkflowFailureError) as caught:
        await question.result()
    assert isinstance(caught.value.cause, ActivityError)
    cause = caught.value.cause.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == ("KeyError", False)


async def test_a_result_that_is_not_json_never_leaves_the_process(env: Env) -> None:
    question, attempt = await env.ask()

    with pytest.raises(TypeError, match="not JSON serializable"):
        await attempt.by_id.complete(object())

    assert await waits(question)


async def test_an_identity_has_at_most_1000_characters(env: Env) -> None:
    question, attempt = await env.ask()

    for raw in (ById(attempt, "x" * 1001), ByToken(attempt, "x" * 1001)):
        answer = await refusal(raw.complete())
        assert answer == Refusal(INVALID, "Identity length exceeds limit.")

    assert await waits(question)
    await ById(attempt, "x" * 1000).complete()


async def test_of_many_answers_at_once_exactly_one_is_taken(env: Env) -> None:
    question, attempt = await env.ask(workflow=AskAndStay)
    handles = [attempt.by_token, attempt.by_id] * 3

    answers = await asyncio.gather(
        *(handle.complete(n) for n, handle in enumerate(handles)), return_exceptions=True
    )

    winner = answers.index(None)
    refused = [answer for answer in answers if isinstance(answer, RPCError)]
    assert len(refused) == len(handles) - 1
    assert {error.status for error in refused} == {NOT_FOUND}
    (completed,) = await question.events("activity_task_completed")
    assert completed.result.payloads[0].data == str(winner).encode()
