"""Keeping alive and processing, against the real server; and the fake, held against it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import ActivityExecutionStatus, PendingActivityState, RetryState
from temporalio.client import Client, WorkflowFailureError
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.service import RPCError

from ringback import AsyncCompletionClient
from ringback.completion.failures import fail_with
from ringback.completion.heartbeats import Stopped
from ringback.completion.keepalive import keeping_alive
from ringback.completion.processing import Processing, process, processing
from ringback.completion.refs import ActivityRef, CompletionClient, Target
from ringback.domain.completion_errors import (
    ActivityCancelledError,
    ActivityNotFoundError,
    ActivityPausedError,
    ActivityResetError,
    CompletionRefusedError,
)
from ringback.testing import FakeCompletionClient
from tests.integration.completion.verbs import By, by_either, ids
from tests.integration.facts.env import Attempt, Env, Question, until
from tests.integration.facts.operator_actions import pause, reset_activity, unpause
from tests.integration.facts.standalone import ask as ask_standalone
from tests.integration.facts.workflows import AskAndStay, Asking

pytestmark = pytest.mark.server

OFTEN = timedelta(milliseconds=100)
CANCEL_REQUESTED = PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED


async def forever(_work: Processing) -> str:
    await asyncio.Event().wait()
    return "never"


async def recorded(question: Question) -> bytes | None:
    payloads = (await question.pending()).heartbeat_details.payloads
    return payloads[0].data if payloads else None


async def cancel(question: Question) -> None:
    await question.handle.cancel()


async def terminate(question: Question) -> None:
    await question.handle.terminate()


async def cause_of(question: Question) -> BaseException | None:
    """Return why the activity, and with it the workflow, failed."""
    with pytest.raises(WorkflowFailureError) as raised:
        await question.result()
    error = raised.value.cause
    return error.cause if isinstance(error, ActivityError) else error


@by_either
async def test_an_activity_outlives_its_heartbeat_time_out_while_it_is_kept_alive(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    asking = Asking(heartbeat=1, maximum_attempts=1)
    silent, _ = await env.ask(asking, workflow=AskAndStay)
    question, attempt = await env.ask(asking)

    async with keeping_alive(completion, by(attempt), every=OFTEN):
        await silent.until_over()
    await completion.complete(by(attempt), "in time")

    assert await question.result() == "in time"


async def test_the_server_has_the_details_that_were_sent_last_and_keeps_them(
    env: Env, completion: AsyncCompletionClient
) -> None:
    question, attempt = await env.ask()
    done = 0

    async with keeping_alive(
        completion, ids(attempt), every=OFTEN, details=lambda: {"done": done}
    ) as life:
        first = await until(lambda: recorded(question), lambda details: details is not None)
        done = 7
        second = await until(lambda: recorded(question), lambda details: details != first)
        life.details = None
        before = (await question.pending()).last_heartbeat_time
        await until(question.pending, lambda seen: seen.last_heartbeat_time != before)
        await until(question.pending, lambda seen: seen.last_heartbeat_time != before)

    assert (first, second) == (b'{"done":0}', b'{"done":7}')
    assert await recorded(question) == second


class KeysFromElsewhere(PayloadCodec):
    """A codec whose service for keys may be away."""

    is_away = False

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        if self.is_away:
            msg = "no keys"
            raise OSError(msg)
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


async def test_an_activity_is_kept_alive_with_its_details_while_new_ones_cannot_be_encoded(
    env: Env, client: Client
) -> None:
    codec = KeysFromElsewhere()
    config = client.config()
    config["data_converter"] = replace(DataConverter.default, payload_codec=codec)
    completion = AsyncCompletionClient(Client(**config))
    question, attempt = await env.ask()

    async with keeping_alive(completion, ids(attempt), every=OFTEN, details="first"):
        await until(lambda: recorded(question), lambda details: details is not None)
        codec.is_away = True
        before = (await question.pending()).last_heartbeat_time
        await until(question.pending, lambda seen: seen.last_heartbeat_time != before)
        await until(question.pending, lambda seen: seen.last_heartbeat_time != before)

    assert await recorded(question) == b'"first"'


@pytest.mark.parametrize(
    ("stop", "error", "reason"),
    [
        pytest.param(cancel, ActivityCancelledError, Stopped.CANCELED, id="canceled"),
        pytest.param(pause, ActivityPausedError, Stopped.PAUSED, id="paused"),
        pytest.param(reset_activity, ActivityResetError, Stopped.RESET, id="reset"),
        pytest.param(terminate, ActivityNotFoundError, Stopped.GONE, id="gone"),
    ],
)
@by_either
async def test_work_learns_why_it_should_stop(
    env: Env,
    completion: AsyncCompletionClient,
    by: By,
    stop: Callable[[Question], Awaitable[None]],
    error: type[Exception],
    reason: Stopped,
) -> None:
    question, attempt = await env.ask()
    stopped: list[Stopped | None] = []

    async def work() -> None:
        async with keeping_alive(completion, by(attempt), every=OFTEN, on_pause="stop") as life:
            await until(question.pending, lambda seen: seen.HasField("last_heartbeat_time"))
            await stop(question)
            try:
                await asyncio.Event().wait()
            finally:
                stopped.append(life.stopped)

    with pytest.raises(error):
        await work()

    assert stopped == [reason]


async def test_heartbeats_during_a_pause_let_the_activity_outlive_the_end_of_the_pause(
    env: Env, completion: AsyncCompletionClient
) -> None:
    asking = Asking(heartbeat=1, maximum_attempts=1)
    silent, _ = await env.ask(asking, workflow=AskAndStay)
    clock, _ = await env.ask(asking, workflow=AskAndStay)
    question, attempt = await env.ask(asking)
    await pause(silent)

    async with keeping_alive(completion, ids(attempt), every=OFTEN) as life:
        await pause(question)
        await clock.until_over()
        was_paused = life.is_paused
        await asyncio.gather(unpause(silent), unpause(question))
        await silent.until_over()
    await completion.complete(ids(attempt), "all the same")

    assert was_paused
    assert await question.result() == "all the same"


@by_either
async def test_what_the_work_returns_is_the_answer(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await env.ask(Asking(heartbeat=5))

    async with processing(completion, by(attempt), every=OFTEN, details="begun") as work:
        details = await recorded(question)
        work.result = {"receipt": "r-81"}

    assert details == b'"begun"'
    assert await question.result() == {"receipt": "r-81"}


@by_either
async def test_what_the_work_raises_is_the_failure(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await env.ask()

    async def work(_work: Processing) -> None:
        declined = fail_with("CardDeclined", "no", non_retryable=True, details=[{"code": 51}])
        raise declined

    with pytest.raises(ApplicationError):
        await process(completion, by(attempt), work)

    failure = await cause_of(question)
    assert isinstance(failure, ApplicationError)
    assert (failure.type, failure.details) == ("CardDeclined", ({"code": 51},))


async def test_a_failure_that_is_too_large_fails_the_activity_in_brief(
    env: Env, completion: AsyncCompletionClient
) -> None:
    question, attempt = await env.ask(Asking(maximum_attempts=1))

    async def work(_work: Processing) -> None:
        raise ValueError("x" * 100_000)

    with pytest.raises(ValueError, match="xxx"):
        await process(completion, ids(attempt), work)

    failure = await cause_of(question)
    assert isinstance(failure, ApplicationError)
    assert (failure.type, failure.message) == ("ValueError", "x" * 500)


class UnspeakableError(Exception):
    """An error without a text."""

    def __str__(self) -> str:
        msg = "no text"
        raise RuntimeError(msg)


@by_either
@pytest.mark.parametrize(
    ("error", "type_", "message"),
    [
        (ApplicationError("bad", object(), type="T", non_retryable=True), "T", "bad"),
        # What the SDK reads without a message.
        (UnspeakableError(), "UnspeakableError", "Application error"),
        (ValueError("not \ud800"), "ValueError", "not ?"),
        (ApplicationError("bad", type="T" * 6000), "T" * 200, "bad"),
    ],
    ids=["details", "no text", "bad text", "long type"],
)
async def test_a_failure_that_cannot_be_sent_fails_the_activity_all_the_same(
    env: Env,
    completion: AsyncCompletionClient,
    by: By,
    error: Exception,
    type_: str,
    message: str,
) -> None:
    question, attempt = await env.ask(Asking(maximum_attempts=1))

    async def work(_work: Processing) -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        await process(completion, by(attempt), work)

    failure = await cause_of(question)
    assert raised.value is error
    assert isinstance(failure, ApplicationError)
    assert (failure.type, failure.message) == (type_, message)


async def test_a_delay_of_nothing_before_the_next_attempt_is_kept(
    env: Env, completion: AsyncCompletionClient
) -> None:
    question, first = await env.ask(Asking(back_off=600))

    await completion.fail(ids(first), fail_with("Busy", next_retry_delay=timedelta(0)))

    assert (await question.next()).info.attempt == 2


@by_either
async def test_work_that_is_canceled_reports_it_with_its_details(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await env.ask()

    async def work(block: Processing) -> None:
        await question.handle.cancel()
        try:
            await forever(block)
        finally:
            block.cancel_details = ({"undone": 3},)

    with pytest.raises(ActivityCancelledError):
        await process(completion, by(attempt), work, every=OFTEN)

    (canceled,) = await question.events("activity_task_canceled")
    assert canceled.details.payloads[0].data == b'{"undone":3}'


@by_either
async def test_work_that_hears_by_its_own_heartbeat_that_it_is_canceled_reports_it(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await env.ask()

    async def work(block: Processing) -> None:
        await question.handle.cancel()
        block.cancel_details = ("three frames",)
        while True:
            await completion.heartbeat(by(attempt), 3)

    with pytest.raises(ActivityCancelledError):
        await process(completion, by(attempt), work)

    (canceled,) = await question.events("activity_task_canceled")
    assert canceled.details.payloads[0].data == b'"three frames"'


async def test_work_of_an_activity_that_is_reset_ends_and_the_next_attempt_begins(
    env: Env, completion: AsyncCompletionClient
) -> None:
    question, attempt = await env.ask(Asking(maximum_attempts=2, back_off=0.01))

    async def work(block: Processing) -> str:
        await reset_activity(question)
        return await forever(block)

    with pytest.raises(ActivityResetError):
        await process(completion, ids(attempt), work, every=OFTEN)

    anew = await question.next()
    await completion.complete(ids(anew), "anew")
    assert await question.result() == "anew"


async def test_a_reset_gives_no_attempt_to_an_activity_that_has_only_one(
    env: Env, completion: AsyncCompletionClient
) -> None:
    question, attempt = await env.ask(Asking(maximum_attempts=1), workflow=AskAndStay)
    await reset_activity(question)

    with pytest.raises(ActivityResetError):
        await process(completion, ids(attempt), forever)

    (failed,) = await question.events("activity_task_failed")
    assert failed.retry_state == RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED


async def test_work_that_a_pause_stops_is_done_again_after_the_pause(
    env: Env, completion: AsyncCompletionClient
) -> None:
    question, attempt = await env.ask(Asking(maximum_attempts=1, back_off=0.01))

    async def work(block: Processing) -> str:
        await pause(question)
        return await forever(block)

    with pytest.raises(ActivityPausedError):
        await process(completion, ids(attempt), work, every=OFTEN, on_pause="stop")

    await unpause(question)
    again = await question.next()
    await completion.complete(ids(again), "again")
    assert await question.result() == "again"


async def test_a_result_during_a_pause_is_taken(
    env: Env, completion: AsyncCompletionClient
) -> None:
    question, attempt = await env.ask()
    await pause(question)

    async with processing(completion, ids(attempt), every=OFTEN) as work:
        assert work.is_paused
        work.result = "all the same"

    assert await question.result() == "all the same"


async def test_work_whose_workflow_is_closed_is_canceled(
    env: Env, completion: AsyncCompletionClient
) -> None:
    question, attempt = await env.ask()

    async def work(block: Processing) -> str:
        await question.handle.terminate()
        return await forever(block)

    with pytest.raises(ActivityNotFoundError):
        await process(completion, ids(attempt), work, every=OFTEN)


async def test_the_work_of_a_standalone_activity_is_its_answer(
    env: Env, completion: AsyncCompletionClient
) -> None:
    standalone = await ask_standalone(env)

    async with processing(completion, ids(standalone.attempt), every=OFTEN) as work:
        work.result = "alone"

    assert await standalone.handle.result() == "alone"


async def test_the_work_of_a_standalone_activity_stops_when_that_is_canceled(
    env: Env, completion: AsyncCompletionClient
) -> None:
    standalone = await ask_standalone(env)

    async def work(block: Processing) -> str:
        await standalone.handle.cancel()
        return await forever(block)

    with pytest.raises(ActivityCancelledError):
        await process(completion, ids(standalone.attempt), work, every=OFTEN)

    seen = await standalone.until_over()
    assert seen.info.status == ActivityExecutionStatus.ACTIVITY_EXECUTION_STATUS_CANCELED


class PendingActivity(Protocol):
    """An activity that waits, and what others do to it."""

    @property
    def completion(self) -> CompletionClient: ...

    @property
    def target(self) -> Target: ...

    async def cancel(self) -> None: ...

    async def pause(self) -> None: ...

    async def reset(self) -> None: ...

    async def end(self) -> None: ...

    async def details(self) -> Any: ...


@dataclass(frozen=True)
class RealActivity:
    """An activity of the real server."""

    completion: AsyncCompletionClient
    question: Question
    attempt: Attempt

    @property
    def target(self) -> Target:
        return ids(self.attempt)

    async def cancel(self) -> None:
        await self.question.handle.cancel()
        with suppress(RPCError):
            await until(self.question.pending, lambda seen: seen.state == CANCEL_REQUESTED)

    async def pause(self) -> None:
        await pause(self.question)

    async def reset(self) -> None:
        await reset_activity(self.question)

    async def end(self) -> None:
        await self.question.handle.terminate()

    async def details(self) -> Any:
        return await recorded(self.question)


@dataclass(frozen=True)
class FakeActivity:
    """An activity of the fake."""

    completion: FakeCompletionClient
    target: ActivityRef

    async def cancel(self) -> None:
        self.completion[self.target].cancel()

    async def pause(self) -> None:
        self.completion[self.target].pause()

    async def reset(self) -> None:
        self.completion[self.target].reset()

    async def end(self) -> None:
        self.completion[self.target].end()

    async def details(self) -> Any:
        details = self.completion[self.target].details
        return f'"{details[0]}"'.encode() if details else None


@pytest.fixture(params=["real", "fake"])
async def pending(
    request: pytest.FixtureRequest, env: Env, completion: AsyncCompletionClient
) -> PendingActivity:
    if request.param == "fake":
        return FakeActivity(FakeCompletionClient(), ActivityRef("1", "workflow"))
    return RealActivity(completion, *await env.ask(workflow=AskAndStay))


class TestTheFakeAnswersAsTheRealOne:
    """Every test here runs on both."""

    async def test_a_heartbeat_without_details_keeps_the_last(
        self, pending: PendingActivity
    ) -> None:
        await pending.completion.heartbeat(pending.target, "here")
        await pending.completion.heartbeat(pending.target)

        assert await pending.details() == b'"here"'

    @pytest.mark.parametrize(
        ("happens", "error"),
        [
            ("cancel", ActivityCancelledError),
            ("pause", ActivityPausedError),
            ("reset", ActivityResetError),
            ("end", ActivityNotFoundError),
        ],
    )
    async def test_a_heartbeat_reports_what_has_happened(
        self, pending: PendingActivity, happens: str, error: type[Exception]
    ) -> None:
        await getattr(pending, happens)()

        with pytest.raises(error):
            await pending.completion.heartbeat(pending.target, "here")

    @pytest.mark.parametrize(
        ("first", "then"), [("pause", "cancel"), ("reset", "pause"), ("reset", "cancel")]
    )
    async def test_a_heartbeat_reports_what_matters_most(
        self, pending: PendingActivity, first: str, then: str
    ) -> None:
        await getattr(pending, first)()
        await getattr(pending, then)()

        with pytest.raises({"pause": ActivityPausedError, "cancel": ActivityCancelledError}[then]):
            await pending.completion.heartbeat(pending.target)

    async def test_a_heartbeat_that_says_to_stop_is_recorded_all_the_same(
        self, pending: PendingActivity
    ) -> None:
        await pending.cancel()

        with pytest.raises(ActivityCancelledError):
            await pending.completion.heartbeat(pending.target, "still here")

        assert await pending.details() == b'"still here"'

    async def test_a_cancellation_that_nobody_asked_for_is_refused(
        self, pending: PendingActivity
    ) -> None:
        with pytest.raises(CompletionRefusedError):
            await pending.completion.report_cancellation(pending.target)

        await pending.completion.complete(pending.target, "it still waits")

    @pytest.mark.parametrize("happens", ["cancel", "pause", "reset"])
    async def test_an_answer_is_taken_whatever_was_asked(
        self, pending: PendingActivity, happens: str
    ) -> None:
        await getattr(pending, happens)()

        await pending.completion.complete(pending.target, "all the same")

    @pytest.mark.parametrize("by", ["complete", "fail", "report_cancellation"])
    async def test_nothing_is_taken_after_the_end(self, pending: PendingActivity, by: str) -> None:
        await pending.cancel()
        failure = fail_with("Denied", non_retryable=True)
        said: dict[str, list[Any]] = {
            "complete": ["done"],
            "fail": [failure],
            "report_cancellation": [],
        }
        await getattr(pending.completion, by)(pending.target, *said[by])

        for late, values in said.items():
            with pytest.raises(ActivityNotFoundError):
                await getattr(pending.completion, late)(pending.target, *values)
        with pytest.raises(ActivityNotFoundError):
            await pending.completion.heartbeat(pending.target)
