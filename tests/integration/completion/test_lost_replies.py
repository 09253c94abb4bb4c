"""Replies that are lost: whether a call was applied is found out, and never guessed at."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

import pytest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from ringback import ActivityNotFoundError, ActivityRef, AsyncCompletionClient, RetryableError
from ringback.core.services import task_group
from ringback.domain.completion_errors import (
    CompletionUnansweredError,
    CompletionUnprovenError,
)
from tests.integration.completion.verbs import (
    FINAL,
    By,
    by_either,
    ids,
    ids_of_the_latest,
    in_every_way,
    raised,
)
from tests.integration.facts.answers import ById, until_asked_to_cancel
from tests.integration.facts.env import Env, Question, until
from tests.integration.facts.standalone import ask as ask_standalone
from tests.integration.facts.wire import Wire
from tests.integration.facts.workflows import AskAndStay, Asking, AskInTwoRuns, AskTwice

pytestmark = pytest.mark.server

SOON = timedelta(milliseconds=600)
T = TypeVar("T")

BUSY = ApplicationError("busy", type="Busy")


@pytest.fixture
def wire(temporal_address: str) -> Wire:
    return Wire(temporal_address)


@pytest.fixture
async def far(wire: Wire) -> AsyncIterator[AsyncCompletionClient]:
    """A completion client at the other end of the wire, which knows its namespace."""
    async with wire.open() as address:
        completion = AsyncCompletionClient(await Client.connect(address))
        await raised(completion.complete(ActivityRef("nobody"), "x"), ActivityNotFoundError)
        yield completion


@dataclass
class Line:
    """The wire, and the client at its far end."""

    wire: Wire
    far: AsyncCompletionClient

    async def lose_the_reply(
        self, call: Awaitable[T], applied: Callable[[], Awaitable[object]]
    ) -> T:
        """Make the call, and lose the reply to its first try once `applied` has returned."""

        async def cut_when_applied() -> None:
            await applied()
            self.wire.cut()

        self.wire.mute()
        result, _ = await asyncio.gather(call, cut_when_applied())
        return result


@pytest.fixture
def line(wire: Wire, far: AsyncCompletionClient) -> Line:
    return Line(wire, far)


async def until_somebody_was_turned_away(address: str) -> None:
    """Return once a connection to `address` has come, and was ended before a word was said."""
    host, _, port = address.rpartition(":")
    came = asyncio.Event()

    def turn_away(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()
        came.set()

    server = await asyncio.start_server(turn_away, host, int(port))
    await came.wait()
    server.close()


async def until_tried_again(question: Question) -> None:
    """Return once the first attempt has ended, and another one follows."""
    await until(question.pending, lambda seen: seen.attempt == 2)


@in_every_way
async def test_a_completion_whose_reply_was_lost_succeeds_once(
    env: Env, line: Line, by: By
) -> None:
    question, attempt = await env.ask(workflow=AskAndStay)
    await line.far.heartbeat(by(attempt))

    await line.lose_the_reply(line.far.complete(by(attempt), "applied"), question.until_over)

    (completed,) = await question.events("activity_task_completed")
    assert completed.result.payloads[0].data == b'"applied"'


@in_every_way
async def test_a_final_failure_whose_reply_was_lost_succeeds_once(
    env: Env, line: Line, by: By
) -> None:
    question, attempt = await env.ask(workflow=AskAndStay)
    await line.far.heartbeat(by(attempt))

    await line.lose_the_reply(line.far.fail(by(attempt), FINAL), question.until_over)

    assert len(await question.events("activity_task_failed")) == 1


@in_every_way
async def test_a_failure_to_retry_whose_reply_was_lost_ends_one_attempt_only(
    env: Env, line: Line, by: By
) -> None:
    question, attempt = await env.ask(Asking(back_off=60))
    await line.far.heartbeat(by(attempt))

    await line.lose_the_reply(
        line.far.fail(by(attempt), BUSY), partial(until_tried_again, question)
    )

    pending = await question.pending()
    assert (pending.attempt, pending.last_failure.message) == (2, "busy")


@by_either
async def test_a_failure_to_retry_does_not_end_the_next_attempt_that_already_runs(
    env: Env, line: Line, by: By
) -> None:
    question, attempt = await env.ask(Asking(back_off=0.01))
    await line.far.heartbeat(by(attempt))

    await line.lose_the_reply(line.far.fail(by(attempt), BUSY), question.next)

    assert (await question.pending()).attempt == 2


@in_every_way
async def test_a_report_whose_reply_was_lost_succeeds_once(env: Env, line: Line, by: By) -> None:
    question, attempt = await env.ask(workflow=AskAndStay)
    await line.far.heartbeat(by(attempt))
    await question.handle.cancel()
    await until_asked_to_cancel(ById(attempt))

    await line.lose_the_reply(line.far.report_cancellation(by(attempt)), question.until_over)

    assert len(await question.events("activity_task_canceled")) == 1


@by_either
async def test_a_heartbeat_whose_reply_was_lost_is_sent_again(env: Env, line: Line, by: By) -> None:
    question, attempt = await env.ask()
    await line.far.heartbeat(by(attempt), 1)

    async def until_recorded() -> None:
        await until(question.pending, lambda seen: b"2" in str(seen.heartbeat_details).encode())

    await line.lose_the_reply(line.far.heartbeat(by(attempt), 2), until_recorded)


async def test_an_answer_to_the_latest_run_does_not_answer_the_next_run(
    env: Env, line: Line
) -> None:
    question, first = await env.ask(workflow=AskInTwoRuns)
    target = ids_of_the_latest(first)

    await line.lose_the_reply(line.far.complete(target, "first"), question.next)

    latest = await question.handle.describe()
    assert latest.run_id != question.execution.run_id
    assert (await question.pending(latest.run_id)).attempt == 1


async def test_an_answer_by_ids_does_not_answer_the_next_activity_that_has_them(
    env: Env, line: Line
) -> None:
    question, first = await env.ask(Asking(activity_id="same"), workflow=AskTwice)

    await line.lose_the_reply(line.far.complete(ids(first), "first"), question.next)
    await line.far.complete(ids(first), "second")

    assert await question.result() == ["first", "second"]


@in_every_way
async def test_a_standalone_completion_whose_reply_was_lost_succeeds_once(
    env: Env, line: Line, by: By
) -> None:
    standalone = await ask_standalone(env)
    await line.far.heartbeat(by(standalone.attempt))

    await line.lose_the_reply(
        line.far.complete(by(standalone.attempt), "applied"), standalone.until_over
    )

    assert await standalone.handle.result() == "applied"


@by_either
@pytest.mark.parametrize("error", [FINAL, BUSY], ids=["final", "to retry"])
async def test_a_standalone_failure_whose_reply_was_lost_succeeds_once(
    env: Env, line: Line, by: By, error: Exception
) -> None:
    standalone = await ask_standalone(env)
    await line.far.heartbeat(by(standalone.attempt))

    async def until_failed() -> None:
        await until(
            standalone.describe,
            lambda seen: seen.info.HasField("last_failure") or seen.HasField("outcome"),
        )

    await line.lose_the_reply(line.far.fail(by(standalone.attempt), error), until_failed)

    assert (await standalone.describe()).info.attempt <= 2
    await standalone.until_over() if error is FINAL else await standalone.handle.terminate()


@by_either
async def test_a_standalone_report_with_details_is_known_by_them(
    env: Env, line: Line, by: By
) -> None:
    standalone = await ask_standalone(env)
    await line.far.heartbeat(by(standalone.attempt))
    await standalone.handle.cancel()

    await line.lose_the_reply(
        line.far.report_cancellation(by(standalone.attempt), "why"), standalone.until_over
    )

    details = (await standalone.describe()).outcome.failure.canceled_failure_info.details
    assert [one.data for one in details.payloads] == [b'"why"']


@by_either
async def test_a_standalone_report_without_details_cannot_be_proven_and_says_so(
    env: Env, line: Line, by: By
) -> None:
    standalone = await ask_standalone(env)
    await line.far.heartbeat(by(standalone.attempt))
    await standalone.handle.cancel()
    call = raised(line.far.report_cancellation(by(standalone.attempt)), CompletionUnprovenError)

    error = await line.lose_the_reply(call, standalone.until_over)

    assert error.identity in str(error)
    assert error.cause is not None


@by_either
async def test_a_server_that_says_nothing_costs_no_more_time_than_was_given(
    env: Env, line: Line, by: By
) -> None:
    question, attempt = await env.ask()
    await line.far.heartbeat(by(attempt))
    now = asyncio.get_running_loop().time
    before = now()

    line.wire.mute()
    error = await raised(
        line.far.complete(by(attempt), "applied", rpc_timeout=SOON), CompletionUnansweredError
    )

    assert now() - before < 2 * SOON.total_seconds()
    assert isinstance(error, RetryableError)
    assert error.may_be_applied
    assert await question.result() == "applied"


async def test_a_server_that_is_away_receives_nothing(temporal_address: str) -> None:
    async with Wire(temporal_address).open() as address:
        connected = await Client.connect(address)
    never_connected = await Client.connect(address, lazy=True)

    # A connection that breaks under a call is in doubt first.
    async def call() -> CompletionUnansweredError:
        completion = AsyncCompletionClient(connected)
        return await raised(
            completion.complete(ActivityRef("1"), "x", rpc_timeout=SOON), CompletionUnansweredError
        )

    error = await until(call, lambda error: not error.may_be_applied)
    other = await raised(
        AsyncCompletionClient(never_connected).complete(ActivityRef("1"), "x", rpc_timeout=SOON),
        CompletionUnansweredError,
    )

    assert isinstance(error.cause, RPCError)
    assert isinstance(other.cause, RuntimeError | TimeoutError)
    assert not other.may_be_applied


@in_every_way
async def test_a_server_that_comes_back_in_time_is_called(
    env: Env, temporal_address: str, by: By
) -> None:
    question, attempt = await env.ask()
    async with Wire(temporal_address).open() as address:
        pass
    completion = AsyncCompletionClient(await Client.connect(address, lazy=True))
    attempted = completion.complete(by(attempt), "in time")

    async with task_group() as group:
        telling = group.create_task(attempted)
        await until_somebody_was_turned_away(address)
        assert not telling.done()
        async with Wire(temporal_address).open(int(address.rpartition(":")[2])):
            await telling

    assert await question.result() == "in time"
