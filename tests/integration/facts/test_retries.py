"""What ends an attempt, what follows it, and which answers fit it."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.enums.v1 import PendingActivityState, RetryState, TimeoutType
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from tests.integration.facts.answers import (
    FINAL,
    GONE_BY_TOKEN,
    ById,
    failure,
    refusal,
    refusals,
)
from tests.integration.facts.env import Env, Question, instant, seconds, until
from tests.integration.facts.workflows import AskAndStay, Asking

pytestmark = [pytest.mark.server, pytest.mark.thorough]

SCHEDULED = PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
STARTED = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
BUSY = ApplicationError("busy", type="Busy")


async def ended_by(question: Question, kind: str) -> Any:
    """Return the event that ended the activity."""
    await question.until_over()
    (event,) = await question.events(kind)
    return event


async def test_between_attempts_only_a_completion_by_ids_is_taken(env: Env) -> None:
    question, attempt = await env.ask(Asking(back_off=60))
    await attempt.by_token.fail(BUSY)

    pending = await question.pending()
    assert (pending.state, pending.attempt) == (SCHEDULED, 2)
    assert await refusals(attempt.by_token) == {GONE_BY_TOKEN}
    by_id = attempt.by_id
    for call in (by_id.heartbeat(), by_id.fail(FINAL), by_id.report_cancellation()):
        assert await refusal(call) == GONE_BY_TOKEN
    await by_id.complete("between")
    assert await question.result() == "between"


async def test_the_token_of_an_earlier_attempt_opens_nothing_and_the_ids_end_the_later(
    env: Env,
) -> None:
    question, first, second = await env.ask_twice()

    assert (second.info.attempt, second.info.task_token != first.info.task_token) == (2, True)
    assert await refusals(first.by_token) == {GONE_BY_TOKEN}
    await first.by_id.complete("late but good")
    assert await question.result() == "late but good"


async def test_an_activity_that_never_started_takes_a_completion_by_ids_and_nothing_else(
    env: Env, temporal_address: str
) -> None:
    completer = await Client.connect(temporal_address, identity="who completed it")
    question = await env.start(Asking(task_queue=f"nobody-{uuid4()}"))
    await until(question.describe, lambda seen: seen.pending_activities)
    handle = completer.get_async_activity_handle(
        workflow_id=question.handle.id, run_id=question.execution.run_id, activity_id="1"
    )

    for call in (handle.heartbeat(), handle.fail(FINAL), handle.report_cancellation()):
        assert await refusal(call) == GONE_BY_TOKEN
    await handle.complete("before anybody started it")

    assert await question.result() == "before anybody started it"
    (started,) = await question.events("activity_task_started")
    assert started.identity == "who completed it"


async def test_the_last_attempt_times_out_for_good_and_what_its_heartbeat_said_is_kept(
    env: Env,
) -> None:
    expected = {
        TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE: Asking(start_to_close=1, maximum_attempts=1),
        TimeoutType.TIMEOUT_TYPE_HEARTBEAT: Asking(heartbeat=1, maximum_attempts=1),
    }
    asked = [await env.ask(asking, workflow=AskAndStay) for asking in expected.values()]
    for _, attempt in asked:
        await attempt.by_id.heartbeat("half done")

    events = [await ended_by(question, "activity_task_timed_out") for question, _ in asked]

    for kind, event in zip(expected, events, strict=True):
        assert event.retry_state == RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED
        timeout = event.failure.timeout_failure_info
        assert timeout.timeout_type == kind
        assert timeout.last_heartbeat_details.payloads[0].data == b'"half done"'


async def test_a_time_out_with_attempts_left_runs_the_function_again(env: Env) -> None:
    (one, _), (other, _) = await asyncio.gather(
        env.ask(Asking(start_to_close=1, back_off=0.01)),
        env.ask(Asking(heartbeat=1, back_off=0.01)),
    )

    for question in (one, other):
        attempt = await question.next()
        assert attempt.info.attempt == 2
        await attempt.by_id.complete("by the second")
        assert await question.result() == "by the second"


async def test_the_schedule_to_close_time_out_is_the_end_over_all_attempts(
    env: Env,
) -> None:
    asking = Asking(schedule_to_close=1, back_off=0.01)
    question, attempt = await env.ask(asking, workflow=AskAndStay)

    event = await ended_by(question, "activity_task_timed_out")

    assert event.retry_state == RetryState.RETRY_STATE_TIMEOUT
    timeout = event.failure.timeout_failure_info
    assert timeout.timeout_type == TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE
    assert await refusals(attempt.by_token) == {GONE_BY_TOKEN}


async def test_a_failure_that_leaves_no_time_for_the_next_attempt_is_the_end_itself(
    env: Env,
) -> None:
    asking = Asking(schedule_to_close=20, back_off=30)
    question, attempt = await env.ask(asking, workflow=AskAndStay)

    await attempt.by_id.fail(BUSY)

    (event,) = await question.events("activity_task_failed")
    assert event.retry_state == RetryState.RETRY_STATE_TIMEOUT
    assert event.failure.message == "busy"


async def test_a_failure_is_retried_without_limit_unless_the_policy_sets_one(
    env: Env,
) -> None:
    (free, first), (bound, last) = await asyncio.gather(
        env.ask(workflow=AskAndStay),
        env.ask(Asking(maximum_attempts=1), workflow=AskAndStay),
    )

    await first.by_id.fail(BUSY)
    await last.by_id.fail(BUSY)

    pending = await free.pending()
    assert (pending.maximum_attempts, pending.attempt, pending.state) == (0, 2, SCHEDULED)
    (event,) = await bound.events("activity_task_failed")
    assert event.retry_state == RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED


@pytest.mark.parametrize(
    ("asking", "error"),
    [(Asking(), FINAL), (Asking(non_retryable=["Busy"]), BUSY)],
    ids=["it says so", "the policy names its type"],
)
async def test_a_failure_that_is_not_retryable_is_the_end_at_once(
    env: Env, asking: Asking, error: ApplicationError
) -> None:
    question, attempt = await env.ask(asking, workflow=AskAndStay)

    await attempt.by_id.fail(error)

    (event,) = await question.events("activity_task_failed")
    assert event.retry_state == RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE
    assert not (await question.describe()).pending_activities


async def test_shortest_next_retry_delay_beats_the_policy_and_the_sdk_drops_one_of_zero(
    env: Env,
) -> None:
    (zero, first), (shortest, second) = await asyncio.gather(
        env.ask(Asking(back_off=60)), env.ask(Asking(back_off=60))
    )

    await first.by_id.fail(ApplicationError("busy", next_retry_delay=timedelta(0)))
    await second.by_id.fail(ApplicationError("busy", next_retry_delay=timedelta(milliseconds=1)))

    pending = await zero.pending()
    assert (pending.state, pending.current_retry_interval.seconds) == (SCHEDULED, 60)
    assert (await shortest.next()).info.attempt == 2


async def test_the_next_retry_delay_of_a_failure_beats_the_policy(env: Env) -> None:
    question, attempt = await env.ask(Asking(back_off=5))

    await attempt.by_id.fail(ApplicationError("busy", next_retry_delay=timedelta(minutes=7)))

    pending = await question.pending()
    waits = instant(pending.next_attempt_schedule_time) - instant(
        pending.last_attempt_complete_time
    )
    assert round(waits.total_seconds(), 3) == 7 * 60


async def test_the_next_attempt_is_given_what_the_last_heartbeat_or_failure_said(
    env: Env,
) -> None:
    (beaten, one), (failed, two) = await asyncio.gather(
        env.ask(Asking(back_off=0.01)), env.ask(Asking(back_off=0.01))
    )

    await one.by_token.heartbeat("from the heartbeat")
    await one.by_token.fail(BUSY)
    await two.by_id.fail(BUSY, last_heartbeat_details=["from the failure"])

    after_beat, after_failure = await asyncio.gather(beaten.next(), failed.next())
    assert after_beat.info.heartbeat_details == ["from the heartbeat"]
    assert after_failure.info.heartbeat_details == ["from the failure"]


async def test_a_retried_failure_stands_with_its_source_beside_the_next_attempt_only(
    env: Env,
) -> None:
    question, attempt = await env.ask(Asking(back_off=0.01))

    await ById(attempt, "who failed it").fail(failure(source="who wrote it"))

    between = await question.pending()
    assert await question.events("activity_task_failed") == []
    await question.next()
    running = await question.pending()
    assert (between.state, running.state) == (SCHEDULED, STARTED)
    for pending in (between, running):
        assert pending.last_failure.source == "who wrote it"
        assert pending.last_worker_identity == env.client.identity


async def test_what_is_pending_names_the_execution_and_not_only_its_number(
    env: Env,
) -> None:
    question, first = await env.ask(Asking(back_off=2))
    at_first = await question.pending()
    await first.by_id.fail(BUSY)
    between = await question.pending()
    second = await question.next()
    at_second = await question.pending()

    assert instant(at_first.last_started_time) == first.info.started_time
    assert instant(at_first.scheduled_time) == first.info.scheduled_time
    assert not between.HasField("last_started_time")
    assert between.scheduled_time == between.next_attempt_schedule_time
    assert instant(at_second.last_started_time) == second.info.started_time
    assert instant(at_second.scheduled_time) == second.info.current_attempt_scheduled_time
    assert second.info.scheduled_time == first.info.scheduled_time
    assert second.info.scheduled_time != second.info.current_attempt_scheduled_time


async def test_history_shows_the_start_of_an_activity_only_with_its_end(env: Env) -> None:
    question, attempt = await env.ask(workflow=AskAndStay)

    waiting = await question.events("activity_task_started")
    await attempt.by_id.complete(1)
    over = await question.events("activity_task_started")

    assert (waiting, [event.attempt for event in over]) == ([], [1])


async def test_the_expiration_time_bounds_all_attempts_and_is_there_between_them(
    env: Env,
) -> None:
    (bound, one), (by_workflow, two), (free, _) = await asyncio.gather(
        env.ask(Asking(schedule_to_close=50, back_off=20)),
        env.ask(run_timeout=seconds(30)),
        env.ask(),
    )
    await one.by_id.fail(BUSY)

    between, limited, unlimited = await asyncio.gather(
        bound.pending(), by_workflow.pending(), free.pending()
    )
    assert instant(between.expiration_time) == one.info.scheduled_time + seconds(50)
    assert instant(limited.expiration_time) == two.info.scheduled_time + seconds(30)
    assert limited.activity_options.start_to_close_timeout.ToTimedelta() == seconds(30)
    assert not unlimited.HasField("expiration_time")
