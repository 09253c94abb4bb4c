"""What an operator's pause, reset or new timeouts do to an activity that waits."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from temporalio.api.enums.v1 import PendingActivityState, RetryState
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, TimeoutError  # noqa: A004 - the SDK's name

from tests.integration.facts.answers import (
    FINAL,
    GONE_BY_TOKEN,
    ById,
    ByToken,
    raw_refusals,
    refusals,
)
from tests.integration.facts.env import Attempt, Env, Question, instant, seconds
from tests.integration.facts.operator_actions import pause, reset_activity, unpause, update_options
from tests.integration.facts.workflows import AskAndStay, Asking

pytestmark = [pytest.mark.server, pytest.mark.thorough]

State = PendingActivityState
BUSY = ApplicationError("busy")
LAST = Asking(maximum_attempts=1)


async def let_a_second_pass(env: Env) -> None:
    """Return once a timeout of a second, that starts now, has fired."""
    clock, _ = await env.ask(Asking(start_to_close=1, maximum_attempts=1), workflow=AskAndStay)
    await clock.until_over()


@pytest.mark.parametrize("by", ["token", "id"])
async def test_a_paused_activity_takes_its_answer(env: Env, by: str) -> None:
    question, attempt = await env.ask()
    await pause(question)

    assert (await question.pending()).state == State.PENDING_ACTIVITY_STATE_PAUSE_REQUESTED
    await (attempt.by_token if by == "token" else attempt.by_id).complete("all the same")

    assert await question.result() == "all the same"


async def test_no_time_out_fires_while_an_activity_is_paused_and_all_fire_after_it(
    env: Env,
) -> None:
    asked = await asyncio.gather(
        env.ask(Asking(start_to_close=1, maximum_attempts=1), workflow=AskAndStay),
        env.ask(Asking(heartbeat=1, maximum_attempts=1), workflow=AskAndStay),
        env.ask(Asking(schedule_to_close=1, maximum_attempts=1), workflow=AskAndStay),
    )
    questions = [question for question, _ in asked]
    await asyncio.gather(*(pause(question) for question in questions))

    await let_a_second_pass(env)

    for question, attempt in asked:
        pending = await question.pending()
        assert pending.state == State.PENDING_ACTIVITY_STATE_PAUSE_REQUESTED
        assert instant(pending.last_started_time) == attempt.info.started_time
    await asyncio.gather(*(unpause(question) for question in questions))
    await asyncio.gather(*(question.until_over() for question in questions))
    for question in questions:
        assert len(await question.events("activity_task_timed_out")) == 1


async def test_a_pause_does_not_stop_the_workflow_s_own_time_out(env: Env) -> None:
    question, _ = await env.ask(run_timeout=seconds(1))
    await pause(question)

    with pytest.raises(WorkflowFailureError) as caught:
        await question.result()

    assert isinstance(caught.value.cause, TimeoutError)


async def test_a_pause_that_is_over_moves_no_deadline(env: Env) -> None:
    question, attempt = await env.ask(Asking(schedule_to_close=50))
    before = await question.pending()

    await pause(question)
    during = await question.pending()
    await unpause(question)
    after = await question.pending()

    assert (during.paused, after.paused) == (True, False)
    for pending in (during, after):
        assert pending.last_started_time == before.last_started_time
        assert pending.expiration_time == before.expiration_time
    await attempt.by_token.complete("the token still fits")


async def test_a_failure_during_a_pause_is_not_retried_until_it_is_over(env: Env) -> None:
    question, attempt = await env.ask(Asking(back_off=0.01))
    await pause(question)

    await attempt.by_id.fail(BUSY)

    pending = await question.pending()
    assert (pending.state, pending.attempt) == (State.PENDING_ACTIVITY_STATE_PAUSED, 2)
    assert not pending.HasField("next_attempt_schedule_time")
    assert await refusals(attempt.by_token) == {GONE_BY_TOKEN}
    await attempt.by_id.complete("all the same")
    assert await question.result() == "all the same"


async def test_a_pause_gives_an_attempt_more_than_the_policy_allows(env: Env) -> None:
    question, attempt = await env.ask(LAST)
    await pause(question)

    await attempt.by_id.fail(BUSY)

    assert (await question.pending()).state == State.PENDING_ACTIVITY_STATE_PAUSED
    await unpause(question)
    extra = await question.next()
    assert extra.info.attempt == 2
    await extra.by_token.complete("by the extra one")
    assert await question.result() == "by the extra one"


async def test_a_failure_that_is_final_ends_a_paused_activity(env: Env) -> None:
    question, attempt = await env.ask(workflow=AskAndStay)
    await pause(question)

    await attempt.by_id.fail(FINAL)

    (failed,) = await question.events("activity_task_failed")
    assert failed.retry_state == RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE


@pytest.mark.parametrize(
    "operate",
    [unpause, reset_activity, partial(update_options, start_to_close=50)],
    ids=["unpause", "reset", "update"],
)
async def test_what_an_operator_does_between_attempts_erases_the_last_failure(
    env: Env, operate: Callable[[Question], Awaitable[None]]
) -> None:
    question, attempt = await env.ask()
    await attempt.by_id.fail(BUSY)
    await pause(question)
    kept = await question.pending()

    await operate(question)

    erased = await question.pending()
    assert kept.last_failure.message == "busy"
    assert not erased.HasField("last_failure")


async def test_a_reset_of_a_running_attempt_renumbers_it_and_runs_nothing(env: Env) -> None:
    question, _, second = await env.ask_twice()
    before = await question.pending()

    await reset_activity(question)

    after = await question.pending()
    assert (before.attempt, after.attempt) == (2, 1)
    assert after.state == State.PENDING_ACTIVITY_STATE_STARTED
    assert instant(after.last_started_time) == second.info.started_time
    assert after.scheduled_time == before.scheduled_time
    assert after.last_failure == before.last_failure
    assert question.attempts.empty()


async def test_a_reset_kills_the_token_of_the_attempt_that_runs_and_revives_the_first_one(
    env: Env,
) -> None:
    question, first, second = await env.ask_twice()

    await reset_activity(question)

    assert await raw_refusals(ByToken(second)) == {GONE_BY_TOKEN}
    assert (await ById(second).heartbeat()).activity_reset
    assert (await ByToken(first).heartbeat()).activity_reset
    await first.by_token.complete("by a token of the past")
    assert await question.result() == "by a token of the past"


async def renumbered(env: Env) -> tuple[Question, Attempt, Attempt]:
    """Return two attempts that are both the second: one before a reset, and one after it."""
    question, _, second = await env.ask_twice()
    await reset_activity(question)
    await second.by_id.fail(BUSY)
    return question, second, await question.next()


async def test_after_a_reset_an_attempt_s_token_opens_a_later_one_of_the_same_number(
    env: Env,
) -> None:
    question, before, after = await renumbered(env)

    assert (before.info.attempt, after.info.attempt) == (2, 2)
    assert before.info.scheduled_time == after.info.scheduled_time
    assert before.info.started_time < after.info.started_time
    assert instant((await question.pending()).last_started_time) == after.info.started_time
    await before.by_token.complete("by a token of the past")
    assert await question.result() == "by a token of the past"


async def test_a_reset_between_attempts_starts_a_first_attempt_again(env: Env) -> None:
    question, first = await env.ask(Asking(back_off=60))
    await first.by_id.fail(BUSY)

    await reset_activity(question)

    again = await question.next()
    assert again.info.attempt == 1
    assert again.info.scheduled_time == first.info.scheduled_time
    await first.by_token.complete("by a token of the past")
    assert await question.result() == "by a token of the past"


async def test_a_reset_of_the_first_attempt_leaves_its_token_alone(env: Env) -> None:
    question, attempt = await env.ask()

    await reset_activity(question)

    assert (await ByToken(attempt).heartbeat()).activity_reset
    await attempt.by_token.complete("still fits")
    assert await question.result() == "still fits"


async def test_new_time_outs_show_at_once_everywhere_but_in_the_expiration_time(
    env: Env,
) -> None:
    question, attempt = await env.ask(Asking(schedule_to_close=50))
    before = await question.pending()

    await update_options(question, schedule_to_close=90, start_to_close=80)

    after = await question.pending()
    options = after.activity_options
    assert options.schedule_to_close_timeout.ToTimedelta() == seconds(90)
    assert options.start_to_close_timeout.ToTimedelta() == seconds(80)
    assert after.expiration_time == before.expiration_time
    await attempt.by_token.complete("the token still fits")


async def test_new_time_outs_hold_for_the_attempt_that_runs(env: Env) -> None:
    short = Asking(start_to_close=1, maximum_attempts=1)
    both = Asking(schedule_to_close=1, maximum_attempts=1)
    (cut, _), (longer, _), (longest, _) = await asyncio.gather(
        env.ask(LAST, workflow=AskAndStay),
        env.ask(short, workflow=AskAndStay),
        env.ask(both, workflow=AskAndStay),
    )

    await update_options(cut, start_to_close=1)
    await update_options(longer, start_to_close=40)
    await update_options(longest, schedule_to_close=40, start_to_close=30)

    await asyncio.gather(cut.until_over(), let_a_second_pass(env))
    for question in (longer, longest):
        assert (await question.pending()).state == State.PENDING_ACTIVITY_STATE_STARTED


async def test_the_next_attempt_gets_the_old_timeouts_though_the_new_ones_hold(
    env: Env,
) -> None:
    question, first = await env.ask(Asking(back_off=0.01))
    await first.by_id.fail(BUSY)

    await update_options(question, start_to_close=40)

    second = await question.next()
    options = (await question.pending()).activity_options
    assert second.info.start_to_close_timeout == seconds(60)
    assert options.start_to_close_timeout.ToTimedelta() == seconds(40)
