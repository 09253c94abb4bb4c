"""The TypeScript SDK's completion client beside ours, on the same activities."""

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError

from ringback import (
    ActivityCancelledError,
    ActivityNotFoundError,
    ActivityPausedError,
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
    raised,
    token,
)
from tests.integration.facts.answers import ById, until_asked_to_cancel
from tests.integration.facts.env import Attempt, Env, Question
from tests.integration.facts.operator_actions import pause, reset_activity
from tests.integration.facts.standalone import ask as ask_standalone
from tests.integration.facts.workflows import AskAndStay, Asking
from tests.other_sdk.typescript import TypeScript

pytestmark = [pytest.mark.server, pytest.mark.processes]

DENIED = {"message": "no", "type": "Denied", "nonRetryable": True, "details": [{"by": "Ann"}]}


async def ask_and_cancel(env: Env) -> tuple[Question, Attempt]:
    """Return a question whose workflow has asked to cancel it, and waits for that."""
    question, attempt = await env.ask(workflow=AskAndStay)
    await question.handle.cancel()
    await until_asked_to_cancel(ById(attempt))
    return question, attempt


async def errors_of_all_its_verbs(ts: TypeScript, target: bytes | object) -> set[str | None]:
    """Return what the other SDK's verbs raise."""
    calls = {"complete": "late", "fail": DENIED, "heartbeat": 1, "reportCancellation": "late"}
    return {await ts.tell(verb, target, value) for verb, value in calls.items()}  # type: ignore[arg-type]


@by_either
async def test_what_it_completed_ours_finds_gone(
    env: Env, completion: AsyncCompletionClient, ts: TypeScript, by: By
) -> None:
    question, attempt = await env.ask(workflow=AskAndStay)

    assert await ts.tell("complete", by(attempt), {"approved": True}) is None

    assert await errors_of_all_verbs(completion, by(attempt)) == {ActivityNotFoundError}
    (completed,) = await question.events("activity_task_completed")
    assert completed.result.payloads[0].data == b'{"approved":true}'


@by_either
async def test_what_ours_completed_it_finds_gone(
    env: Env, completion: AsyncCompletionClient, ts: TypeScript, by: By
) -> None:
    question, attempt = await env.ask()

    await completion.complete(by(attempt), {"approved": True})

    assert await errors_of_all_its_verbs(ts, by(attempt)) == {"ActivityNotFoundError"}
    assert await question.result() == {"approved": True}


@by_either
async def test_both_fail_an_activity_alike(
    env: Env, completion: AsyncCompletionClient, ts: TypeScript, by: By
) -> None:
    theirs, one = await env.ask()
    ours, two = await env.ask()

    assert await ts.tell("fail", by(one), DENIED) is None
    error = ApplicationError("no", {"by": "Ann"}, type="Denied", non_retryable=True)
    await completion.fail(by(two), error)

    causes = [await cause_of(theirs), await cause_of(ours)]
    assert {(one.message, one.type, one.non_retryable) for one in causes} == {
        ("no", "Denied", True)
    }
    assert [one.details for one in causes] == [({"by": "Ann"},)] * 2


async def cause_of(question: Question) -> ApplicationError:
    """Return why the workflow's activity failed."""
    with pytest.raises(WorkflowFailureError) as caught:
        await question.result()
    assert isinstance(caught.value.cause, ActivityError)
    assert isinstance(caught.value.cause.cause, ApplicationError)
    return caught.value.cause.cause


@by_either
async def test_heartbeats_of_one_are_kept_by_the_other_and_reach_the_next_attempt(
    env: Env, completion: AsyncCompletionClient, ts: TypeScript, by: By
) -> None:
    question, attempt = await env.ask(Asking(back_off=0.01))

    assert await ts.tell("heartbeat", by(attempt), {"page": 7}) is None
    await completion.heartbeat(by(attempt))
    retryable = {"message": "busy", "type": "Busy", "nonRetryable": False}
    assert await ts.tell("fail", by(attempt), retryable) is None

    again = await question.next()
    assert again.info.heartbeat_details == [{"page": 7}]


@by_either
async def test_both_learn_of_a_cancellation_and_the_report_of_one_ends_it_for_the_other(
    env: Env, completion: AsyncCompletionClient, ts: TypeScript, by: By
) -> None:
    question, attempt = await ask_and_cancel(env)

    theirs = await ts.tell("heartbeat", by(attempt), 1)
    await raised(completion.heartbeat(by(attempt), 2), ActivityCancelledError)
    assert await ts.tell("reportCancellation", by(attempt), "why") is None

    assert theirs == "ActivityCancelledError"
    await raised(completion.report_cancellation(by(attempt)), ActivityNotFoundError)
    (canceled,) = await question.events("activity_task_canceled")
    assert canceled.details.payloads[0].data == b'"why"'


@by_either
async def test_our_report_of_a_cancellation_ends_it_for_the_other(
    env: Env, completion: AsyncCompletionClient, ts: TypeScript, by: By
) -> None:
    _, attempt = await ask_and_cancel(env)

    await completion.report_cancellation(by(attempt), "why")

    assert await ts.tell("reportCancellation", by(attempt), "late") == "ActivityNotFoundError"


@by_either
async def test_both_refuse_a_report_that_nobody_asked_for(
    env: Env, completion: AsyncCompletionClient, ts: TypeScript, by: By
) -> None:
    _, attempt = await env.ask()

    theirs = await ts.tell("reportCancellation", by(attempt), "why")

    assert theirs == "ActivityCompletionError"
    await raised(completion.report_cancellation(by(attempt)), CompletionRefusedError)


@by_either
async def test_both_learn_of_a_pause_and_of_a_reset(
    env: Env, completion: AsyncCompletionClient, ts: TypeScript, by: By
) -> None:
    paused, one = await env.ask()
    reset, two = await env.ask()
    await pause(paused)
    await reset_activity(reset)

    theirs = [await ts.tell("heartbeat", by(attempt), 1) for attempt in (one, two)]

    assert theirs == ["ActivityPausedError", "ActivityResetError"]
    await raised(completion.heartbeat(by(one)), ActivityPausedError)
    await raised(completion.heartbeat(by(two)), ActivityResetError)


async def test_a_token_that_a_reset_killed_is_only_distinguished_by_ours(
    env: Env, completion: AsyncCompletionClient, ts: TypeScript
) -> None:
    question, _, second = await env.ask_twice()
    await reset_activity(question)

    theirs = await ts.tell("complete", token(second), "late")

    assert theirs == "ActivityNotFoundError"
    await raised(completion.complete(token(second), "late"), ActivityResetError)
    assert await ts.tell("complete", ids(second), "by ids") is None
    assert await question.result() == "by ids"


@by_either
async def test_both_answer_standalone_activities(
    env: Env, completion: AsyncCompletionClient, ts: TypeScript, by: By
) -> None:
    theirs, ours = await ask_standalone(env), await ask_standalone(env)

    assert await ts.tell("complete", by(theirs.attempt), "theirs") is None
    await completion.complete(by(ours.attempt), "ours")

    assert await theirs.handle.result() == "theirs"
    assert await ours.handle.result() == "ours"
    await raised(completion.complete(by(theirs.attempt), "late"), ActivityNotFoundError)
    assert await ts.tell("fail", by(ours.attempt), DENIED) == "ActivityNotFoundError"


async def test_that_a_standalone_activity_has_ended_only_ours_reports_by_ids(
    env: Env, completion: AsyncCompletionClient, ts: TypeScript
) -> None:
    standalone = await ask_standalone(env)
    await completion.fail(ids(standalone.attempt), FINAL)

    theirs = await ts.tell("complete", ids(standalone.attempt), "late")

    assert theirs == "ActivityCompletionError"
    await raised(completion.complete(ids(standalone.attempt), "late"), ActivityNotFoundError)
