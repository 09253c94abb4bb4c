"""Proofs of how a standalone activity ended, on the real server, without a history."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.client import Client
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
)
from temporalio.exceptions import CancelledError

from ringback.core.verdicts import judge
from ringback.domain.activity_state import Ended, Pending, Unknown
from ringback.domain.callback import Accepted, State
from ringback.domain.errors import ActivityGoneError, AnswerTooLargeError, RefusedByTemporalError
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.domain.terms import to_terms
from ringback.temporal.limits import DEFAULT_BLOB_LIMIT
from tests import factories
from tests.integration.standalone import OURS, OUTCOME_ID, Env, Question, opened

pytestmark = pytest.mark.server

DONE = Completed(b'"ours"')
BUSY = Failed("busy", "Busy")
FINAL = Failed("no", non_retryable=True)
CANCELED = Canceled(b'"why"')
CANCELED_BARE = Canceled(None)


@pytest.fixture
async def env(client: Client, unique: str) -> AsyncIterator[Env]:
    async with opened(client, unique) as env:
        yield env


@pytest.mark.parametrize("outcome", [DONE, BUSY, FINAL, CANCELED, CANCELED_BARE], ids=repr)
@pytest.mark.parametrize("attempts", [1, 0], ids=["last attempt", "more attempts"])
async def test_applied_answer_is_proven_after_a_lost_reply(
    env: Env, outcome: Outcome, attempts: int
) -> None:
    question = await env.ask(attempts=attempts)
    if isinstance(outcome, Canceled):
        await question.handle.cancel()

    await question.answer(outcome)

    assert await question.verdict(outcome) is State.APPLIED


@pytest.mark.parametrize("outcome", [DONE, BUSY, FINAL, CANCELED, CANCELED_BARE], ids=repr)
async def test_answer_by_ids_is_proven(env: Env, outcome: Outcome) -> None:
    question = await env.ask(attempts=1)
    if isinstance(outcome, Canceled):
        await question.handle.cancel()

    encoded = await env.activities.encode(question.first.callback, outcome)
    await env.activities.deliver(question.first.callback, encoded, identity=OURS)

    assert await question.verdict(outcome) is State.APPLIED


@pytest.mark.parametrize("outcome", [DONE, FINAL, CANCELED, CANCELED_BARE], ids=repr)
async def test_same_answer_of_another_client_proves_nothing(env: Env, outcome: Outcome) -> None:
    question = await env.ask()
    if isinstance(outcome, Canceled):
        await question.handle.cancel()

    await question.answer(outcome, by="ringback/oc_2")

    assert await question.verdict(outcome) is State.SUPERSEDED


@pytest.mark.parametrize("outcome", [CANCELED, CANCELED_BARE], ids=repr)
async def test_cancellation_by_the_server_or_a_worker_proves_nothing(
    env: Env, outcome: Outcome
) -> None:
    by_server, by_worker = await env.ask(), await env.ask()
    await by_server.answer(BUSY, by="somebody")
    await by_server.handle.cancel(reason="why")
    await by_worker.handle.cancel()
    token = by_worker.first.info.task_token
    await env.client.get_async_activity_handle(task_token=token).report_cancellation()

    ends = [await by_server.until_ended(), await by_worker.until_ended()]

    assert {(end.how, end.identity) for end in ends} == {("canceled", "")}
    assert await by_server.verdict(outcome) is State.SUPERSEDED
    assert await by_worker.verdict(outcome) is State.SUPERSEDED


async def test_inline_result_is_proven_by_its_worker(env: Env) -> None:
    question = await env.ask()
    question.first.end.set_result("ours")

    ended = await question.until_ended()

    assert (ended.how, ended.identity, ended.attempt) == ("completed", env.client.identity, 1)


Deed = Callable[[Question], Awaitable[None]]


async def _terminate(question: Question) -> None:
    await question.handle.terminate(reason="enough")


async def _cancel(question: Question) -> None:
    await question.handle.cancel(reason="enough")


@pytest.mark.parametrize(
    ("deed", "how"),
    [(_terminate, "terminated"), (_cancel, "canceled")],
    ids=["terminate", "cancel"],
)
async def test_between_two_attempts_the_failure_of_the_one_before_is_still_proven(
    env: Env, deed: Deed, how: str
) -> None:
    question = await env.ask()
    await question.answer(BUSY)

    await deed(question)

    found = await question.found()
    assert isinstance(found, Ended)
    assert (found.how, found.identity, found.attempt) == (how, "", 2)
    assert await question.verdict(BUSY) is State.APPLIED


@pytest.mark.parametrize(
    "options",
    [
        {"start_to_close_timeout": timedelta(seconds=1), "attempts": 2},
        {"schedule_to_close_timeout": timedelta(seconds=3)},
    ],
    ids=["of the last attempt", "of the whole"],
)
async def test_timeout_shows_how_the_previous_attempt_ended(
    env: Env, options: dict[str, Any]
) -> None:
    ours = await env.ask(back_off=0.01, **options)
    await ours.answer(BUSY)
    await env.next()
    theirs = await env.ask(back_off=0.01, **options)
    await theirs.answer(BUSY, by="ringback/oc_2")
    await env.next()

    ends = await asyncio.gather(ours.until_ended(), theirs.until_ended())

    assert {(end.how, end.identity, end.attempt) for end in ends} == {("timed out", "", 2)}
    assert await ours.verdict(BUSY) is State.APPLIED
    assert await theirs.verdict(BUSY) is State.SUPERSEDED


async def test_completion_shows_how_the_previous_attempt_ended(env: Env) -> None:
    question = await env.ask(back_off=0.01)
    await question.answer(BUSY)
    await question.answer(DONE, by="somebody", attempt=await env.next())

    assert await question.verdict(BUSY) is State.APPLIED


async def test_where_a_later_failure_hides_the_one_before_nothing_is_guessed(
    env: Env,
) -> None:
    question = await env.ask(back_off=0.01)
    await question.answer(BUSY)
    await question.answer(FINAL, by="somebody", attempt=await env.next())

    assert await question.verdict(BUSY) is State.PARKED


async def test_an_attempt_that_timed_out_before_ours_arrived_proves_that_it_was_not_taken(
    env: Env,
) -> None:
    timeout = timedelta(seconds=1)
    question = await env.ask(attempts=1, start_to_close_timeout=timeout)
    await question.until_ended()

    with pytest.raises(ActivityGoneError):
        await question.answer(BUSY)

    assert await question.verdict(BUSY) is State.SUPERSEDED


async def test_a_failure_is_proven_after_an_operator_s_reset_too(env: Env) -> None:
    question = await env.ask()
    await question.answer(BUSY)
    await question.reset()
    again = await env.next()

    waiting = await question.verdict(BUSY)
    await question.answer(DONE, by="somebody", attempt=again)

    assert again.info.attempt == 1
    assert [waiting, await question.verdict(BUSY)] == [State.APPLIED, State.APPLIED]


async def test_failure_of_another_attempt_with_the_number_proves_nothing_after_a_reset(
    env: Env,
) -> None:
    question = await env.ask()
    await question.answer(BUSY)
    await question.reset()
    again = await env.next()

    await question.answer(BUSY, by="ringback/oc_2", attempt=again)

    found = await question.found()
    assert isinstance(found, Pending)
    assert (again.info.attempt, found.attempt, found.is_started) == (1, 2, False)
    assert found.before_started_at == again.info.started_time
    assert await question.verdict(BUSY) is State.PARKED


async def test_failure_of_the_attempt_itself_proves_that_ours_was_not_taken(env: Env) -> None:
    question = await env.ask()

    await question.answer(BUSY, by="ringback/oc_2")

    found = await question.found()
    assert isinstance(found, Pending)
    assert found.before_started_at == question.first.info.started_time
    assert await question.verdict(BUSY) is None


@pytest.mark.parametrize(
    ("failed_by", "verdict"),
    [(OURS, State.APPLIED), ("", State.SUPERSEDED)],
    ids=["by the answer", "by an error of its own"],
)
async def test_inline_failure_is_proven_by_what_failed_the_activity(
    env: Env, failed_by: str, verdict: State
) -> None:
    question = await env.ask(attempts=1)
    info = ApplicationFailureInfo(type="Busy")
    raised = Failure(message="own", source=failed_by, application_failure_info=info)
    converter = env.client.data_converter
    question.first.end.set_exception(await converter.decode_failure(raised))

    ended = await question.until_ended()

    inline = Accepted(
        OUTCOME_ID,
        BUSY,
        factories.NOW,
        delivered_inline_to=env.client.identity,
        delivered_inline_attempt=1,
        unconfirmed_attempt=1,
        unconfirmed_started_at=question.first.info.started_time,
    )
    settlement = judge(question.first.callback, inline, ended)
    assert settlement is not None
    assert settlement.verdict is verdict


async def test_ended_activity_refuses_every_answer(env: Env) -> None:
    question = await env.ask()
    await question.answer(DONE, by="the first")

    for outcome in (DONE, BUSY, FINAL, CANCELED):
        with pytest.raises(ActivityGoneError):
            await question.answer(outcome, by="the second")
        encoded = await env.activities.encode(question.first.callback, outcome)
        with pytest.raises(ActivityGoneError):
            await env.activities.deliver(question.first.callback, encoded, identity="the second")
    with pytest.raises(ActivityGoneError):
        await env.heartbeats.heartbeat(question.first.callback, None)


async def test_cancellation_without_a_request_is_refused_and_changes_nothing(
    env: Env,
) -> None:
    question = await env.ask()

    with pytest.raises(RefusedByTemporalError, match="request canceled first"):
        await question.answer(CANCELED)

    assert isinstance(await question.found(), Pending)


async def test_how_it_waits_is_reported_while_it_runs_and_between_two_attempts(
    env: Env,
) -> None:
    question = await env.ask(back_off=30, schedule_to_close_timeout=timedelta(seconds=50))
    running = await question.found()
    await question.answer(BUSY)
    between = await question.found()
    await question.handle.pause()
    paused = await question.found()

    attempt_timeout_at = question.ref.scheduled_at + timedelta(seconds=50)
    assert isinstance(running, Pending)
    assert (running.attempt, running.is_started) == (1, True)
    assert running.started_at == question.first.info.started_time
    assert isinstance(between, Pending)
    assert (between.attempt, between.is_started, between.started_at) == (2, False, None)
    assert between.last_failure is not None
    assert between.last_failure.source == OURS
    assert paused == replace(between, paused=True)
    assert {running.attempt_timeout_at, between.attempt_timeout_at} == {attempt_timeout_at}
    assert await env.activities.poll([question.ref]) == [paused]
    await question.handle.terminate()


async def test_a_later_run_with_the_same_id_is_not_taken_for_it(env: Env) -> None:
    earlier = await env.ask()
    await _terminate(earlier)
    later = await env.ask(id=earlier.handle.id)

    looks = await env.activities.poll([earlier.ref, later.ref])

    assert [look is not None for look in looks] == [False, True]
    assert await env.activities.find_after_reset(earlier.ref) is None
    await _terminate(later)


async def test_activity_that_never_existed_is_unknown(env: Env) -> None:
    question = await env.ask()
    strange = [
        replace(question.ref, activity_id="nobody"),
        replace(question.ref, run_id=str(uuid4())),
    ]

    found = [await env.activities.resolve(one) for one in strange]

    assert {type(one) for one in found} == {Unknown}
    assert await env.activities.poll(strange) == [None, None]
    await _terminate(question)


async def test_details_that_fit_only_unsigned_are_refused(env: Env) -> None:
    question = await env.ask()
    details = b'"' + b"x" * (DEFAULT_BLOB_LIMIT - 50) + b'"'

    with pytest.raises(AnswerTooLargeError):
        await env.activities.check(to_terms(question.first.callback), Canceled(details))

    await _terminate(question)


class Recording(PayloadCodec, WithSerializationContext):
    """A codec that changes nothing, and keeps in which context it encoded."""

    def __init__(self, seen: list[SerializationContext | None]) -> None:
        self._seen = seen
        self._context: SerializationContext | None = None

    def with_context(self, context: SerializationContext) -> "Recording":
        bound = Recording(self._seen)
        bound._context = context
        return bound

    async def encode(self, payloads: Any) -> list[Payload]:
        self._seen.append(self._context)
        return list(payloads)

    async def decode(self, payloads: Any) -> list[Payload]:
        return list(payloads)


async def test_an_answer_is_encoded_in_the_context_in_which_the_worker_encodes(
    temporal_address: str, unique: str
) -> None:
    seen: list[SerializationContext | None] = []
    converter = DataConverter(payload_codec=Recording(seen))
    client = await Client.connect(temporal_address, data_converter=converter)
    async with opened(client, unique) as env:
        by_worker = await env.ask()
        by_worker.first.end.set_result("x")
        await by_worker.handle.result()
        by_us = await env.ask(id=by_worker.handle.id)
        # What the runtime asks the store for; the factory knows nothing of this activity.
        callback = replace(
            by_us.first.callback,
            workflow_type=by_us.first.info.workflow_type or "",
            activity_type=by_us.first.info.activity_type,
            task_queue=by_us.first.info.task_queue,
        )
        encoded = await env.activities.encode(callback, DONE)
        await env.activities.deliver(callback, encoded, identity="us")

        first, second = (one for one in seen if one is not None)

        assert isinstance(first, ActivitySerializationContext)
        assert first == second


async def test_signature_is_not_visible_in_the_details(env: Env) -> None:
    question = await env.ask()
    await question.handle.cancel()
    await question.answer(CANCELED)

    with pytest.raises(Exception, match="Activity execution failed") as caught:
        await question.handle.result()

    assert isinstance(caught.value.__cause__, CancelledError)
    assert caught.value.__cause__.details == ("why",)


async def test_its_heartbeat_time_out_shows(env: Env) -> None:
    question = await env.ask(heartbeat_timeout=timedelta(seconds=40))

    (pending,) = await env.activities.poll([question.first.callback.ref])

    assert pending is not None
    assert pending.heartbeat_timeout == timedelta(seconds=40)
