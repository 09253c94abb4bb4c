"""The kit says what is wrong with a test, instead of waiting in vain or doing something else."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.testing import ActivityEnvironment

import ringback
from ringback import Callback, Decision, Subject
from ringback.domain.errors import NotWiredError
from ringback.testing import ActivityRun, ActivityTestEnvironment, activity_environment
from tests.polling import pause

SHORT = timedelta(milliseconds=50)


@activity.defn
async def charge(cents: int) -> str:
    async def submit(_: Callback) -> None:
        if cents < 0:
            msg = "the bank is closed"
            raise ConnectionError(msg)

    return await ringback.wait_for_callback(submit, str, title=f"Charge {cents}")


@activity.defn
async def approve() -> Decision:
    return await ringback.wait_for_decision(Subject("An order"), assignees=["ada"])


@activity.defn
async def approve_by_finance() -> Decision:
    return await ringback.wait_for_decision(
        Subject("An order"), assignees=["user:ada", "group:finance"]
    )


@pytest.fixture
async def env() -> AsyncIterator[ActivityTestEnvironment]:
    async with activity_environment() as env:
        yield env


async def failed(run: ActivityRun[Any]) -> None:
    """Wait until the activity has failed."""
    with pytest.raises(ActivityError):
        await run.result()


async def test_wait_for_a_callback_in_vain_says_how_the_activity_failed(
    env: ActivityTestEnvironment,
) -> None:
    await failed(env.start(approve))
    with pytest.raises(AssertionError, match="approve failed: ValueError: assignees contains"):
        await env.callback(within=SHORT)


async def test_wait_for_a_callback_in_vain_says_how_submit_failed(
    env: ActivityTestEnvironment,
) -> None:
    await failed(env.start(charge, -1))
    with pytest.raises(AssertionError, match="ConnectionError: the bank is closed"):
        await env.callback(within=SHORT)


async def test_run_that_is_retried_in_vain_says_how_an_attempt_failed(
    env: ActivityTestEnvironment,
) -> None:
    run = env.start(charge, -1, retry_policy=RetryPolicy())
    while not run.describe_failure():
        await pause()
    with pytest.raises(AssertionError, match="ConnectionError: the bank is closed"):
        await run.result(within=SHORT)


@pytest.mark.parametrize("when", ["before_submit", "later"])
async def test_unknown_moment_is_an_error_that_lists_the_known_ones(
    env: ActivityTestEnvironment, when: Any
) -> None:
    env.start(charge, 81)
    callback = await env.callback()
    with pytest.raises(ValueError, match="'between attempts', 'while paused'"):
        await callback.answer("paid", when=when)
    with pytest.raises(ValueError, match="'between attempts', 'while paused'"):
        await callback.decide(when=when)
    with pytest.raises(ValueError, match=r"'while paused'.*'before submit', 'during submit'"):
        await env.run(charge, 81, answer="paid", when=when)
    with pytest.raises(ValueError, match="use 'before submit', 'during submit'"):
        env.answer_next("paid", when=when)


async def test_moment_before_submit_is_too_late_once_a_callback_was_submitted(
    env: ActivityTestEnvironment,
) -> None:
    env.start(charge, 81)
    moment: Any = "before submit"
    with pytest.raises(ValueError, match="call `answer_next`"):
        await env.answer("paid", when=moment)


async def test_moment_without_an_answer_is_an_error(env: ActivityTestEnvironment) -> None:
    with pytest.raises(ValueError, match="use 'now'"):
        await env.run(charge, 81, when="while paused")


async def test_unknown_name_of_a_choice_is_an_error_that_lists_the_known_ones(
    env: ActivityTestEnvironment,
) -> None:
    env.start(charge, 81)
    wrong: dict[str, Any] = {"titel": "Charge 81"}
    with pytest.raises(TypeError, match="unknown argument 'titel'; those of Which are title, "):
        await env.answer("paid", **wrong)


async def test_field_that_is_no_choice_is_an_error(env: ActivityTestEnvironment) -> None:
    env.start(charge, 81)
    wrong: dict[str, Any] = {"state": "open"}
    with pytest.raises(TypeError, match="unknown argument 'state'"):
        await env.callback(**wrong)


async def test_unknown_option_of_an_activity_is_an_error(env: ActivityTestEnvironment) -> None:
    wrong: dict[str, Any] = {"start_to_close": timedelta(hours=1)}
    with pytest.raises(TypeError, match="ActivityOptions are start_to_close_timeout, "):
        env.start(charge, 81, **wrong)


async def test_call_instead_of_an_activity_is_an_error(env: ActivityTestEnvironment) -> None:
    called: Any = charge(81)
    with pytest.raises(TypeError, match="pass the activity and then its arguments"):
        env.start(called)
    called.close()


async def test_early_answer_that_comes_too_late_is_an_error(env: ActivityTestEnvironment) -> None:
    run = env.start(charge, 81)
    await env.callback()
    receipt = env.answer_next("paid", within=SHORT)
    with pytest.raises(AssertionError, match="call it before the activity starts"):
        await receipt

    assert not run.is_done


async def test_early_answer_that_was_not_used_does_not_answer_the_next_activity(
    env: ActivityTestEnvironment,
) -> None:
    with pytest.raises(ActivityError):
        await env.run(approve, answer="paid", when="before submit")
    env.start(charge, 81)

    assert (await env.callback()).title == "Charge 81"


async def test_time_does_not_go_back(env: ActivityTestEnvironment) -> None:
    with pytest.raises(ValueError, match="time does not go back"):
        await env.advance(timedelta(hours=-1))


async def test_sdk_environment_alone_says_what_runs_an_activity_in_a_test() -> None:
    with pytest.raises(NotWiredError, match=r"in a test, run it with ringback\.testing"):
        await ActivityEnvironment().run(charge, 81)


async def test_verbs_of_the_environment_take_what_those_of_a_callback_take(
    env: ActivityTestEnvironment,
) -> None:
    run = env.start(approve_by_finance)
    await env.decide(by="cyd", groups=["finance"])
    retried = env.start(charge, 81, retry_policy=RetryPolicy(maximum_attempts=2))
    await env.fail("closed", {"code": 5}, type="Closed", next_retry_delay=timedelta(minutes=1))
    await asyncio.wait_for(env.answer("paid", title="Charge 81"), 5)

    assert (await run.result()).votes[0].by == "cyd"
    assert await retried.result() == "paid"
