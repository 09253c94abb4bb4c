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
from ringback.completion.protocol import CompletionClient
from ringback.completion.refs import ActivityRef, Target
from ringback.domain.completion_errors import (
    ActivityCancelledError,
    ActivityNotFoundError,
    ActivityPausedError,
    ActivityResetError,
    CompletionRefusedError,
)
from ringback.testing import FakeCompletionClient
from tests.integration.completion.telling import By, by_either, ids
from tests.integration.facts.alone import ask as ask_alone
from tests.integration.facts.ground import Attempt, Ground, Question, until
from tests.integration.facts.operating import pause, reset_activity, unpause
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
    ground: Ground, completion: AsyncCompletionClient, by: By
) -> None:
    asking = Asking(heartbeat=1, maximum_attempts=1)
    silent, _ = await ground.ask(asking, workflow=AskAndStay)
    question, attempt = await ground.ask(asking)

    async with keeping_alive(completion, by(attempt), every=OFTEN):
        await silent.until_over()
    await completion.complete(by(attempt), "in time")

    assert await question.result() == "in time"


async def test_the_server_has_the_details_that_were_told_last_and_keeps_them(
    ground: Ground, completion: AsyncCompletionClient
) -> None:
    question, attempt = await ground.ask()
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
    ground: Ground, client: Client
) -> None:
    codec = KeysFromElsewhere()
    config = client.config()
    config["data_converter"] = replace(DataConverter.default, payload_codec=codec)
    completion = AsyncCompletionClient(Client(**config))
    question, attempt = await ground.ask()

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
    ground: Ground,
    completion: AsyncCompletionClient,
    by: By,
    stop: Callable[[Question], Awaitable[None]],
    error: type[Exception],
    reason: Stopped,
) -> None:
    question, attempt = await ground.ask()
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
    ground: Ground, completion: AsyncCompletionClient
) -> None:
    asking = Asking(heartbeat=1, maximum_attempts=1)
    silent, _ = await ground.ask(asking, workflow=AskAndStay)
    clock, _ = await ground.ask(asking, workflow=AskAndStay)
    question, attempt = await ground.ask(asking)
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
    ground: Ground, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await ground.ask(Asking(heartbeat=5))

    async with processing(completion, by(attempt), every=OFTEN, details="begun") as work:
        details = await recorded(question)
        work.result = {"receipt": "r-81"}

    assert details == b'"begun"'
    assert await question.result() == {"receipt": "r-81"}


@by_either
async def test_what_the_work_raises_is_the_failure(
    ground: Ground, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await ground.ask()

    async def work(_work: Processing) -> None:
        declined = fail_with("CardDeclined", "no", non_retryable=True, details=[{"code": 51}])
        raise declined

    with pytest.raises(ApplicationError):
        await process(completion, by(attempt), work)

    failure = await cause_of(question)
    assert isinstance(failure, ApplicationError)
    assert (failure.type, failure.details) == ("CardDeclined", ({"code": 51},))


async def test_a_failure_that_is_too_large_fails_the_activity_in_brief(
    ground: Ground, completion: AsyncCompletionClient
) -> None:
    question, attempt = await ground.ask(Asking(maximum_attempts=1))

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
    ground: Ground,
    completion: AsyncCompletionClient,
    by: By,
    error: Exception,
    type_: str,
    message: str,
) -> None:
    question, attempt = await ground.ask(Asking(maximum_attempts=1))

    async def work(_work: Processing) -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        await process(completion, by(attempt), work)

    failure = await cause_of(question)
    assert raised.value is error
    assert isinstance(failure, ApplicationError)
    assert (failure.type, failure.message) == (type_, message)


async def test_a_delay_of_nothing_before_the_next_attempt_is_kept(
    ground: Ground, completion: AsyncCompletionClient
) -> None:
    question, first = await ground.ask(Asking(back_off=600))

    await completion.fail(ids(first), fail_with("Busy", next_retry_delay=timedelta(0)))

    assert (await question.next()).info.attempt == 2


@by_either
async def test_work_that_is_canceled_reports_it_with_its_details(
    ground: Ground, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await ground.ask()

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
    ground: Ground, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await ground.ask()

    async def work(block: Processing) -> None:
        await question.handle.cancel()
        block.cancel_details = ("three frames",)
        while True:
            await completion.heartbeat(by(attempt), 3)

    with pytest.raises(ActivityCancelledError):
        await process(completion, by(attempt), work)

    (canceled,) = await question.events("activity_task_canceled")
    assert canceled.details.payloads[0].data == b'"three frames"'


async def test_work_of_an_activity_that_is_reset_ends_and_the_next_attempt_begins_anew(
    ground: Ground, completion: AsyncCompletionClient
) -> None:
    question, attempt = await ground.ask(Asking(maximum_attempts=2, back_off=0.01))

    async def work(block: Processing) -> str:
        await reset_activity(question)
        return await forever(block)

    with pytest.raises(ActivityResetError):
        await process(completion, ids(attempt), work, every=OFTEN)

    anew = await question.next()
    await completion.complete(ids(anew), "anew")
    assert await question.result() == "anew"


async def test_a_reset_gives_no_attempt_to_an_activity_that_has_only_one(
    ground: Ground, completion: AsyncCompletionClient
) -> None:
    question, attempt = await ground.ask(Asking(maximum_attempts=1), workflow=AskAndStay)
    await reset_activity(question)

    with pytest.raises(ActivityResetError):
        await process(completion, ids(attempt), forever)

    (failed,) = await question.events("activity_task_failed")
    assert failed.retry_state == RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED


async def test_work_that_a_pause_stops_is_done_again_after_the_pause(
    ground: Ground, completion: AsyncCompletionClient
) -> None:
    question, attempt = await ground.ask(Asking(maximum_attempts=1, back_off=0.01))

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
    ground: Ground, completion: AsyncCompletionClient
) -> None:
    question, attempt = await ground.ask()
    await pause(question)

    async with processing(completion, ids(attempt), every=OFTEN) as work:
        assert work.is_paused
        work.result = "all the same"

    assert await question.result() == "all the same"


async def test_work_whose_workflow_is_closed_is_canceled(
    ground: Ground, completion: AsyncCompletionClient
) -> None:
    question, attempt = await ground.ask()

    async def work(block: Processing) -> str:
        await question.handle.terminate()
        return await forever(block)

    with pytest.raises(ActivityNotFoundError):
        await process(completion, ids(attempt), work, every=OFTEN)


async def test_the_work_of_a_standalone_activity_is_its_answer(
    ground: Ground, completion: AsyncCompletionClient
) -> None:
    alone = await ask_alone(ground)

    async with processing(completion, ids(alone.attempt), every=OFTEN) as work:
        work.result = "alone"

    assert await alone.handle.result() == "alone"


async def test_the_work_of_a_standalone_activity_stops_when_that_is_canceled(
    ground: Ground, completion: AsyncCompletionClient
) -> None:
    alone = await ask_alone(ground)

    async def work(block: Processing) -> str:
        await alone.handle.cancel()
        return await forever(block)

    with pytest.raises(ActivityCancelledError):
        await process(completion, ids(alone.attempt), work, every=OFTEN)

    seen = await alone.until_over()
    assert seen.info.status == ActivityExecutionStatus.ACTIVITY_EXECUTION_STATUS_CANCELED


class Stage(Protocol):
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
class RealStage:
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
class FakeStage:
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
async def stage(
    request: pytest.FixtureRequest, ground: Ground, completion: AsyncCompletionClient
) -> Stage:
    if request.param == "fake":
        return FakeStage(FakeCompletionClient(), ActivityRef("1", "workflow"))
    return RealStage(completion, *await ground.ask(workflow=AskAndStay))


class TestTheFakeAnswersAsTheRealOne:
    """Every test here runs on both."""

    async def test_a_heartbeat_without_details_keeps_the_last(self, stage: Stage) -> None:
        await stage.completion.heartbeat(stage.target, "here")
        await stage.completion.heartbeat(stage.target)

        assert await stage.details() == b'"here"'

    @pytest.mark.parametrize(
        ("happens", "error"),
        [
            ("cancel", ActivityCancelledError),
            ("pause", ActivityPausedError),
            ("reset", ActivityResetError),
            ("end", ActivityNotFoundError),
        ],
    )
    async def test_a_heartbeat_tells_what_has_happened(
        self, stage: Stage, happens: str, error: type[Exception]
    ) -> None:
        await getattr(stage, happens)()

        with pytest.raises(error):
            await stage.completion.heartbeat(stage.target, "here")

    @pytest.mark.parametrize(
        ("first", "then"), [("pause", "cancel"), ("reset", "pause"), ("reset", "cancel")]
    )
    async def test_a_heartbeat_tells_what_matters_most(
        self, stage: Stage, first: str, then: str
    ) -> None:
        await getattr(stage, first)()
        await getattr(stage, then)()

        with pytest.raises({"pause": ActivityPausedError, "cancel": ActivityCancelledError}[then]):
            await stage.completion.heartbeat(stage.target)

    async def test_a_heartbeat_that_says_to_stop_is_recorded_all_the_same(
        self, stage: Stage
    ) -> None:
        await stage.cancel()

        with pytest.raises(ActivityCancelledError):
            await stage.completion.heartbeat(stage.target, "still here")

        assert await stage.details() == b'"still here"'

    async def test_a_cancellation_that_nobody_asked_for_is_refused(self, stage: Stage) -> None:
        with pytest.raises(CompletionRefusedError):
            await stage.completion.report_cancellation(stage.target)

        await stage.completion.complete(stage.target, "it still waits")

    @pytest.mark.parametrize("happens", ["cancel", "pause", "reset"])
    async def test_an_answer_is_taken_whatever_was_asked(self, stage: Stage, happens: str) -> None:
        await getattr(stage, happens)()

        await stage.completion.complete(stage.target, "all the same")

    @pytest.mark.parametrize("by", ["complete", "fail", "report_cancellation"])
    async def test_nothing_is_taken_after_the_end(self, stage: Stage, by: str) -> None:
        await stage.cancel()
        failure = fail_with("Denied", non_retryable=True)
        said: dict[str, list[Any]] = {
            "complete": ["done"],
            "fail": [failure],
            "report_cancellation": [],
        }
        await getattr(stage.completion, by)(stage.target, *said[by])

        for late, values in said.items():
            with pytest.raises(ActivityNotFoundError):
                await getattr(stage.completion, late)(stage.target, *values)
        with pytest.raises(ActivityNotFoundError):
            await stage.completion.heartbeat(stage.target)
