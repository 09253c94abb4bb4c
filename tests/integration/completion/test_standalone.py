"""Standalone activities, by token and by ids."""

import pytest
from temporalio.api.workflowservice.v1 import (
    DescribeActivityExecutionRequest,
    PauseActivityExecutionRequest,
    ResetActivityExecutionRequest,
)
from temporalio.client import ActivityFailureError
from temporalio.exceptions import ApplicationError, CancelledError

from ringback import (
    ActivityCancelledError,
    ActivityNotFoundError,
    ActivityPausedError,
    ActivityRef,
    ActivityResetError,
    AsyncCompletionClient,
)
from ringback.domain.completion_errors import CompletionRefusedError
from tests.integration.completion.verbs import (
    FINAL,
    By,
    by_either,
    errors_of_all_verbs,
    ids,
    in_every_way,
    raised,
    token,
)
from tests.integration.facts.answers import ById
from tests.integration.facts.env import Env, seconds
from tests.integration.facts.standalone import StandaloneActivity, ask

pytestmark = pytest.mark.server

NOBODY = {ActivityNotFoundError}


async def recorded_details(standalone: StandaloneActivity) -> list[bytes]:
    """Return the details of the latest heartbeat, as they were sent."""
    described = await standalone.attempt.client.workflow_service.describe_activity_execution(
        DescribeActivityExecutionRequest(include_heartbeat_details=True, **standalone.address)
    )
    return [one.data for one in described.info.heartbeat_details.payloads]


@in_every_way
async def test_a_completion_brings_its_result(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    standalone = await ask(env)

    await completion.complete(by(standalone.attempt), {"approved": True})

    assert await standalone.handle.result() == {"approved": True}


@by_either
async def test_no_result_is_not_the_result_none(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    nothing, none = await ask(env), await ask(env)

    await completion.complete(by(nothing.attempt))
    await completion.complete(by(none.attempt), None)

    without, with_none = await nothing.describe(), await none.describe()
    assert len(without.outcome.result.payloads) == 0
    assert len(with_none.outcome.result.payloads) == 1


@by_either
async def test_a_failure_brings_its_error(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    standalone = await ask(env)

    await completion.fail(by(standalone.attempt), FINAL)

    with pytest.raises(ActivityFailureError) as caught:
        await standalone.handle.result()
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "Denied"


@by_either
async def test_a_heartbeat_leaves_its_details_and_without_any_those_that_are_there(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    standalone = await ask(env)

    await completion.heartbeat(by(standalone.attempt), "page", 7)
    await completion.heartbeat(by(standalone.attempt))
    kept = await recorded_details(standalone)
    await completion.heartbeat(by(standalone.attempt), erase=True)

    assert kept == [b'"page"', b"7"]
    assert await recorded_details(standalone) == []


@by_either
async def test_a_cancellation_is_reported_and_its_report_accepted(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    standalone = await ask(env)
    early = await raised(
        completion.report_cancellation(by(standalone.attempt)), CompletionRefusedError
    )
    await standalone.handle.cancel()

    error = await raised(completion.heartbeat(by(standalone.attempt)), ActivityCancelledError)
    await completion.report_cancellation(by(standalone.attempt), "why")

    assert "without activity being request canceled first" in str(early)
    assert error.details.cancel_requested
    with pytest.raises(ActivityFailureError) as caught:
        await standalone.handle.result()
    assert isinstance(caught.value.cause, CancelledError)
    assert list(caught.value.cause.details) == ["why"]


@by_either
async def test_a_pause_is_reported(env: Env, completion: AsyncCompletionClient, by: By) -> None:
    standalone = await ask(env)
    await env.client.workflow_service.pause_activity_execution(
        PauseActivityExecutionRequest(**standalone.address)
    )

    error = await raised(completion.heartbeat(by(standalone.attempt)), ActivityPausedError)

    assert error.details.paused
    await completion.complete(by(standalone.attempt), "all the same")
    assert await standalone.handle.result() == "all the same"


@by_either
@pytest.mark.parametrize("fails", [0, 1], ids=["first attempt", "second attempt"])
async def test_a_reset_is_reported_at_any_attempt_and_the_token_lives(
    env: Env, completion: AsyncCompletionClient, by: By, fails: int
) -> None:
    standalone = await ask(env, back_off=0.01)
    attempt = standalone.attempt
    for _ in range(fails):
        await ById(attempt).fail()
        attempt = await standalone.next()
    await env.client.workflow_service.reset_activity_execution(
        ResetActivityExecutionRequest(**standalone.address)
    )

    error = await raised(completion.heartbeat(by(attempt)), ActivityResetError)

    assert error.details.reset
    await completion.complete(by(attempt), "all the same")
    assert await standalone.handle.result() == "all the same"


@in_every_way
async def test_what_has_ended_waits_for_nothing(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    completed, terminated = await ask(env), await ask(env)
    timed_out = await ask(env, start_to_close_timeout=seconds(1), maximum_attempts=1)
    await completion.complete(by(completed.attempt), "first")
    await terminated.handle.terminate()
    await timed_out.until_over()

    for standalone in (completed, terminated, timed_out):
        assert await errors_of_all_verbs(completion, by(standalone.attempt)) == NOBODY
    assert await completed.handle.result() == "first"


async def test_in_back_off_a_token_is_dead_and_ids_take_a_completion_only(
    env: Env, completion: AsyncCompletionClient
) -> None:
    standalone = await ask(env)
    await completion.fail(token(standalone.attempt), RuntimeError("busy"))

    by_token = await errors_of_all_verbs(completion, token(standalone.attempt))
    await raised(completion.heartbeat(ids(standalone.attempt)), ActivityNotFoundError)
    await raised(completion.fail(ids(standalone.attempt), FINAL), ActivityNotFoundError)
    await completion.complete(ids(standalone.attempt), "between attempts")

    assert by_token == NOBODY
    assert await standalone.handle.result() == "between attempts"


async def test_a_second_attempt_waits_for_its_own_token(
    env: Env, completion: AsyncCompletionClient
) -> None:
    standalone = await ask(env, back_off=0.01)
    await completion.fail(ids(standalone.attempt), RuntimeError("busy"), last_heartbeat_details=[7])
    second = await standalone.next()

    stale = await errors_of_all_verbs(completion, token(standalone.attempt))
    await completion.heartbeat(token(second))
    kept = await recorded_details(standalone)
    await completion.complete(token(second), "by its token")

    assert stale == NOBODY
    assert kept == [b"7"]
    assert await standalone.handle.result() == "by its token"


async def test_the_run_id_keeps_a_late_answer_from_the_next_run(
    env: Env, completion: AsyncCompletionClient
) -> None:
    first = await ask(env)
    await completion.complete(ids(first.attempt), "first")
    second = await ask(env, id=first.handle.id)

    late = await errors_of_all_verbs(completion, ids(first.attempt))
    await completion.complete(ActivityRef(second.handle.id), "second")

    assert late == NOBODY
    assert await second.handle.result() == "second"
