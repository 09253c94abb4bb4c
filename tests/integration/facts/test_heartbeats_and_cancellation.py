"""What a heartbeat records, resets and returns, and how a cancellation proceeds."""

import asyncio
from typing import Any

import pytest
from temporalio.api.enums.v1 import PendingActivityState, RetryState
from temporalio.client import AsyncActivityCancelledError, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.workflow import ActivityCancellationType

from tests.integration.facts.answers import (
    CLOSED,
    NOT_ASKED_TO_CANCEL,
    ById,
    ByToken,
    payloads,
    refusal,
)
from tests.integration.facts.env import Attempt, Env, Question, instant, until
from tests.integration.facts.operator_actions import pause
from tests.integration.facts.workflows import Ask, AskAndStay, Asking

pytestmark = [pytest.mark.server, pytest.mark.thorough]

CANCEL_REQUESTED = PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED


async def ask_and_cancel(
    env: Env, asking: Asking | None = None, *, workflow: Any = Ask
) -> tuple[Question, Attempt]:
    """Ask, then cancel the workflow; return once the server has asked the activity to stop."""
    question, attempt = await env.ask(asking, workflow=workflow)
    await question.handle.cancel()
    await until(question.pending, lambda pending: pending.state == CANCEL_REQUESTED)
    return question, attempt


async def test_a_heartbeat_without_details_erases_those_that_were_there(env: Env) -> None:
    question, attempt = await env.ask()

    await attempt.by_id.heartbeat("here")
    before = await question.pending()
    await attempt.by_id.heartbeat()
    after = await question.pending()

    assert before.heartbeat_details.payloads[0].data == b'"here"'
    assert not after.heartbeat_details.payloads


async def test_every_heartbeat_restarts_its_timeout(env: Env) -> None:
    asking = Asking(heartbeat=1, maximum_attempts=1)
    by_token, one = await env.ask(asking, workflow=AskAndStay)
    by_id, two = await env.ask(asking, workflow=AskAndStay)
    silent, _ = await env.ask(asking, workflow=AskAndStay)

    async def beat() -> bool:
        await asyncio.gather(one.by_token.heartbeat(), two.by_id.heartbeat())
        return not (await silent.describe()).pending_activities

    await until(beat, bool)

    (timed_out,) = await silent.events("activity_task_timed_out")
    assert timed_out.failure.message == "activity Heartbeat timeout"
    for question, attempt in ((by_token, one), (by_id, two)):
        assert instant((await question.pending()).last_heartbeat_time) > attempt.info.started_time


@pytest.mark.parametrize("by", ["token", "id"])
async def test_a_heartbeat_reports_that_the_activity_should_stop_and_is_kept_all_the_same(
    env: Env, by: str
) -> None:
    question, attempt = await ask_and_cancel(env)
    handle = attempt.by_token if by == "token" else attempt.by_id

    with pytest.raises(AsyncActivityCancelledError) as caught:
        await handle.heartbeat("still here")

    assert not isinstance(caught.value, RPCError)
    details = caught.value.details
    assert details is not None
    assert (details.cancel_requested, details.paused, details.reset) == (True, False, False)
    pending = await question.pending()
    assert pending.heartbeat_details.payloads[0].data == b'"still here"'
    assert not attempt.info.heartbeat_timeout


async def test_a_heartbeat_reports_a_pause_and_a_cancellation_at_once(env: Env) -> None:
    question, attempt = await env.ask()

    await pause(question)
    paused = await ByToken(attempt).heartbeat()
    await question.handle.cancel()
    both = await until(ById(attempt).heartbeat, lambda answer: answer.cancel_requested)

    assert (paused.activity_paused, paused.cancel_requested) == (True, False)
    assert both.activity_paused
    pending = await question.pending()
    assert (pending.state, pending.paused) == (CANCEL_REQUESTED, True)


@pytest.mark.parametrize(
    "cancellation",
    [ActivityCancellationType.TRY_CANCEL, ActivityCancellationType.ABANDON],
    ids=lambda cancellation: cancellation.name,
)
async def test_a_heartbeat_after_the_workflow_has_closed_is_not_found_rather_than_canceled(
    env: Env, cancellation: ActivityCancellationType
) -> None:
    question, attempt = await env.ask(Asking(cancellation=cancellation))
    await question.handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await question.result()

    assert await refusal(attempt.by_token.heartbeat()) == CLOSED
    assert await refusal(attempt.by_id.heartbeat()) == CLOSED


async def test_a_cancellation_stands_in_describe_and_in_history(env: Env) -> None:
    question, _ = await ask_and_cancel(env)

    (requested,) = await question.events("activity_task_cancel_requested")

    (scheduled,) = [
        event.event_id
        for event in await question.history()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert requested.scheduled_event_id == scheduled


async def test_a_workflow_that_does_not_wait_ignores_every_answer_that_is_still_taken(
    env: Env,
) -> None:
    asking = Asking(cancellation=ActivityCancellationType.TRY_CANCEL)
    question, attempt = await ask_and_cancel(env, asking, workflow=AskAndStay)

    await attempt.by_id.complete("taken")

    (completed,) = await question.events("activity_task_completed")
    assert completed.result.payloads[0].data == b'"taken"'


async def test_an_abandoned_activity_is_not_asked_and_cannot_be_canceled(env: Env) -> None:
    asking = Asking(cancellation=ActivityCancellationType.ABANDON)
    question, attempt = await env.ask(asking, workflow=AskAndStay)
    await question.handle.cancel()
    await until(
        lambda: question.events("workflow_execution_cancel_requested"),
        lambda events: len(events) == 1,
    )

    answer = await ById(attempt).heartbeat()

    assert not answer.cancel_requested
    assert await refusal(attempt.by_id.report_cancellation()) == NOT_ASKED_TO_CANCEL
    assert (await question.pending()).state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
    await attempt.by_id.complete("taken")


async def test_a_reported_cancellation_reaches_a_workflow_that_waits_with_its_details(
    env: Env,
) -> None:
    question, attempt = await ask_and_cancel(env, workflow=AskAndStay)

    await ById(attempt, "who stopped").cancel(payloads(b'{"why": "asked"}'))

    (canceled,) = await question.events("activity_task_canceled")
    assert canceled.identity == "who stopped"
    assert canceled.details.payloads[0].data == b'{"why": "asked"}'


async def test_a_result_beats_the_cancellation_that_a_workflow_waits_for(env: Env) -> None:
    question, attempt = await ask_and_cancel(env)

    await attempt.by_id.complete("done all the same")

    assert await question.result() == "done all the same"


async def test_after_a_cancel_request_nothing_is_retried(env: Env) -> None:
    (failed, attempt), (timed_out, _) = await asyncio.gather(
        ask_and_cancel(env), ask_and_cancel(env, Asking(start_to_close=1))
    )

    await attempt.by_id.fail(ApplicationError("busy"))

    (failure,) = await failed.events("activity_task_failed")
    assert failure.retry_state == RetryState.RETRY_STATE_CANCEL_REQUESTED
    await timed_out.until_over()
    (timeout,) = await timed_out.events("activity_task_timed_out")
    assert timeout.retry_state == RetryState.RETRY_STATE_CANCEL_REQUESTED


async def test_between_attempts_the_server_cancels_by_itself_and_reports_it_to_nobody_outside(
    env: Env,
) -> None:
    question, attempt = await env.ask(workflow=AskAndStay)
    await attempt.by_id.fail(ApplicationError("busy"))

    await question.handle.cancel()

    await question.until_over()
    (canceled,) = await question.events("activity_task_canceled")
    assert canceled.details.payloads[0].data == b'"ACTIVITY_ID_NOT_STARTED"'
