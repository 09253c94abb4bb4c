"""Heartbeats of the completion client: what Temporal records and what it returns."""

import pytest

from ringback import (
    ActivityCancelledError,
    ActivityPausedError,
    ActivityResetError,
    AsyncCompletionClient,
)
from tests.integration.completion.verbs import By, by_either, ids, in_every_way, raised, token
from tests.integration.facts.answers import ById, until_asked_to_cancel
from tests.integration.facts.env import Attempt, Env, Question
from tests.integration.facts.operator_actions import pause, reset_activity
from tests.integration.facts.workflows import AskAndStay, Asking

pytestmark = pytest.mark.server


async def recorded(question: Question) -> list[bytes]:
    """Return the details of the latest heartbeat, as they were sent."""
    return [one.data for one in (await question.pending()).heartbeat_details.payloads]


async def ask_and_cancel(env: Env) -> tuple[Question, Attempt]:
    """Return a question whose workflow has asked to cancel it, and waits for that."""
    question, attempt = await env.ask(workflow=AskAndStay)
    await question.handle.cancel()
    await until_asked_to_cancel(ById(attempt))
    return question, attempt


@in_every_way
async def test_a_heartbeat_leaves_its_details(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await env.ask()

    await completion.heartbeat(by(attempt), "page", 7)

    assert await recorded(question) == [b'"page"', b"7"]


@in_every_way
async def test_a_heartbeat_without_details_leaves_those_that_are_there(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await env.ask()
    await completion.heartbeat(by(attempt), "page", 7)
    before = await question.pending()

    await completion.heartbeat(by(attempt))

    assert await recorded(question) == [b'"page"', b"7"]
    after = await question.pending()
    assert after.last_heartbeat_time.ToDatetime() > before.last_heartbeat_time.ToDatetime()


@by_either
async def test_a_heartbeat_erases_details_only_when_it_is_asked_to(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await env.ask()
    await completion.heartbeat(by(attempt), "page", 7)

    await completion.heartbeat(by(attempt), erase=True)

    assert await recorded(question) == []


@by_either
async def test_a_first_heartbeat_needs_no_details(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await env.ask()

    await completion.heartbeat(by(attempt))

    assert (await question.pending()).HasField("last_heartbeat_time")
    assert await recorded(question) == []


@by_either
async def test_details_without_new_ones_outlive_an_attempt(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, first = await env.ask(Asking(back_off=0.01))
    await completion.fail(by(first), RuntimeError("busy"), last_heartbeat_details=["page 7"])
    second = await question.next()

    await completion.heartbeat(by(second))

    assert await recorded(question) == [b'"page 7"']


@by_either
async def test_a_heartbeat_brings_back_that_the_activity_should_be_canceled(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await ask_and_cancel(env)

    error = await raised(completion.heartbeat(by(attempt), "kept"), ActivityCancelledError)

    assert (error.details.cancel_requested, error.details.paused) == (True, False)
    assert await recorded(question) == [b'"kept"']


@by_either
async def test_a_heartbeat_brings_back_a_pause(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await env.ask()
    await pause(question)

    error = await raised(completion.heartbeat(by(attempt)), ActivityPausedError)

    assert (error.details.cancel_requested, error.details.paused) == (False, True)
    await completion.complete(by(attempt), "all the same")
    assert await question.result() == "all the same"


@by_either
async def test_a_cancellation_goes_before_a_pause_and_the_details_tell_both(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await ask_and_cancel(env)
    await pause(question)

    error = await raised(completion.heartbeat(by(attempt)), ActivityCancelledError)

    assert (error.details.cancel_requested, error.details.paused) == (True, True)


@by_either
async def test_a_pause_goes_before_a_reset_and_the_details_tell_both(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await env.ask()
    await reset_activity(question)
    await pause(question)

    error = await raised(completion.heartbeat(by(attempt)), ActivityPausedError)

    assert (error.details.paused, error.details.reset) == (True, True)


@by_either
async def test_a_reset_of_the_first_attempt_is_reported_and_the_activity_takes_its_answer(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await env.ask()
    await reset_activity(question)

    error = await raised(completion.heartbeat(by(attempt), "kept"), ActivityResetError)

    assert error.details.reset
    assert await recorded(question) == [b'"kept"']
    await completion.complete(by(attempt), "all the same")
    assert await question.result() == "all the same"


async def test_a_reset_of_a_later_attempt_is_told_by_ids_and_by_its_token_that_died_of_it(
    env: Env, completion: AsyncCompletionClient
) -> None:
    question, _, second = await env.ask_twice()
    await reset_activity(question)

    by_ids = await raised(completion.heartbeat(ids(second)), ActivityResetError)
    by_token = await raised(completion.heartbeat(token(second)), ActivityResetError)
    ending = await raised(completion.complete(token(second), "x"), ActivityResetError)

    assert by_ids.details.reset
    assert by_token.details.reset
    assert ending.details.reset
    await completion.complete(ids(second), "by ids")
    assert await question.result() == "by ids"
