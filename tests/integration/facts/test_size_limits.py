"""What the server does with an answer that is too large, mostly behind an OK."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import RetryState
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from tests.integration.facts.answers import (
    GONE_BY_ID,
    ById,
    ByToken,
    failure,
    refusal,
    until_asked_to_cancel,
)
from tests.integration.facts.env import Env, Question
from tests.integration.facts.workflows import AskAndStay, Asking

pytestmark = [pytest.mark.server, pytest.mark.thorough]

BLOB = 2 * 1024 * 1024
RETRIED_FAILURE = 4096
MESSAGE = 4 * 1024 * 1024
CUT = "Failure exceeds size limit."

M = TypeVar("M", Payloads, Failure)


def sized(make: Callable[[int], M], size: int) -> M:
    """Return a message whose encoding has exactly this size."""
    length = size
    while (excess := make(length).ByteSize() - size) > 0:
        length -= excess
    # A length is written in fewer bytes once it is smaller.
    while make(length + 1).ByteSize() <= size:
        length += 1
    assert make(length).ByteSize() == size
    return make(length)


def blob(length: int) -> Payloads:
    return Payloads(payloads=[Payload(metadata={"encoding": b"binary/plain"}, data=b"x" * length)])


def with_details(length: int) -> Failure:
    info = ApplicationFailureInfo(type="Busy", details=blob(length))
    return Failure(message="busy", application_failure_info=info)


def with_message(length: int) -> Failure:
    return failure("m" * length)


def with_source(length: int) -> Failure:
    return failure(source="s" * length)


def final(length: int) -> Failure:
    found = with_details(length)
    found.application_failure_info.non_retryable = True
    return found


async def failed_by_the_server(question: Question, message: str) -> Any:
    """Return the event by which the server itself failed the activity."""
    (event,) = await question.events("activity_task_failed")
    assert event.failure.message == message
    assert event.failure.server_failure_info.non_retryable
    assert not (await question.describe()).pending_activities
    return event


async def test_the_namespace_says_how_large_a_payload_may_be(client: Client) -> None:
    answer = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=client.namespace)
    )

    assert answer.namespace_info.limits.blob_size_limit_error == BLOB


@pytest.mark.parametrize("by", [ById, ByToken], ids=["id", "token"])
async def test_a_result_of_just_the_limit_is_delivered_and_a_byte_more_fails_the_activity_for_good(
    env: Env, by: Any
) -> None:
    (kept, fitting), (lost, larger) = await asyncio.gather(
        env.ask(workflow=AskAndStay), env.ask(workflow=AskAndStay)
    )

    await by(fitting).complete(sized(blob, BLOB))
    await by(larger, "whose result it was").complete(sized(blob, BLOB + 1))

    (completed,) = await kept.events("activity_task_completed")
    assert completed.result.ByteSize() == BLOB
    event = await failed_by_the_server(lost, "Complete result exceeds size limit.")
    assert event.retry_state == RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE
    assert event.identity == "whose result it was"
    assert await refusal(larger.by_id.complete("smaller")) == GONE_BY_ID


async def test_a_request_larger_than_the_transport_takes_is_refused_without_details(
    env: Env,
) -> None:
    question, attempt = await env.ask()

    for call in (
        ById(attempt).complete(blob(MESSAGE)),
        ByToken(attempt).heartbeat(blob(MESSAGE)),
    ):
        with pytest.raises(RPCError, match="larger than max 4194304") as caught:
            await call
        assert caught.value.status == RPCStatusCode.RESOURCE_EXHAUSTED
        assert not caught.value.grpc_status.details

    await attempt.by_id.complete("small")
    assert await question.result() == "small"


async def test_heartbeat_details_a_byte_too_large_fail_the_activity_and_look_like_a_cancellation(
    env: Env,
) -> None:
    question, attempt = await env.ask(workflow=AskAndStay)

    fitting = await ById(attempt).heartbeat(sized(blob, BLOB))
    larger = await ById(attempt, "whose heartbeat").heartbeat(sized(blob, BLOB + 1))

    assert (fitting.cancel_requested, larger.cancel_requested) == (False, True)
    event = await failed_by_the_server(question, "Heartbeat details exceed size limit.")
    assert event.identity == "whose heartbeat"


async def test_details_of_a_cancellation_that_are_too_large_fail_the_activity(
    env: Env,
) -> None:
    question, attempt = await env.ask(workflow=AskAndStay)
    await question.handle.cancel()
    await until_asked_to_cancel(ById(attempt))

    await ById(attempt).cancel(sized(blob, BLOB + 1))

    await failed_by_the_server(question, "Cancel details exceed size limit.")


@pytest.mark.parametrize("make", [with_details, with_message, with_source])
async def test_a_failure_that_is_retried_is_kept_to_the_byte_up_to_4096_and_cut_above(
    env: Env, make: Callable[[int], Failure]
) -> None:
    (kept, one), (cut, two) = await asyncio.gather(env.ask(), env.ask())
    fitting, larger = sized(make, RETRIED_FAILURE), sized(make, RETRIED_FAILURE + 1)

    await ById(one).fail(fitting)
    await ByToken(two).fail(larger)

    whole, rest = (await kept.pending()).last_failure, (await cut.pending()).last_failure
    assert whole == fitting
    assert (rest.message, rest.source) == (CUT, "")
    assert rest.HasField("server_failure_info")
    assert rest.cause.application_failure_info.type == "Busy"
    assert not rest.cause.application_failure_info.HasField("details")


async def test_a_failure_that_is_cut_keeps_its_source_before_its_message(env: Env) -> None:
    (loud, one), (long, two) = await asyncio.gather(env.ask(), env.ask())

    await ById(one).fail(failure("m" * 20_000, source="who wrote it"))
    await ById(two).fail(failure("m" * 5_000, source="s" * 5_000))

    cut = (await loud.pending()).last_failure.cause
    assert cut.source == "who wrote it"
    assert 4_000 < len(cut.message) < RETRIED_FAILURE
    cut = (await long.pending()).last_failure.cause
    assert cut.message == ""
    assert 4_000 < len(cut.source) < RETRIED_FAILURE


@pytest.mark.parametrize(
    ("asking", "make"),
    [
        (Asking(maximum_attempts=1), with_details),
        (Asking(non_retryable=["Busy"]), with_details),
        (Asking(), final),
    ],
    ids=["the last attempt", "the policy names its type", "it says so"],
)
async def test_a_failure_that_ends_the_activity_may_be_as_large_as_a_result(
    env: Env, asking: Asking, make: Callable[[int], Failure]
) -> None:
    (kept, one), (cut, two) = await asyncio.gather(
        env.ask(asking, workflow=AskAndStay), env.ask(asking, workflow=AskAndStay)
    )
    fitting = sized(make, BLOB)

    await ById(one).fail(fitting)
    await ById(two).fail(sized(make, BLOB + 1))

    (event,) = await kept.events("activity_task_failed")
    assert event.failure == fitting
    event = await failed_by_the_server(cut, CUT)
    assert event.failure.cause.message == "busy"
    assert not event.failure.cause.application_failure_info.HasField("details")


async def test_last_heartbeat_details_of_a_failure_vanish_when_they_are_too_large(
    env: Env,
) -> None:
    question, attempt = await env.ask()
    await attempt.by_id.heartbeat("small")

    await attempt.by_id.fail(ApplicationError("busy"), last_heartbeat_details=["x" * BLOB])

    pending = await question.pending()
    assert pending.attempt == 2
    assert [payload.data for payload in pending.heartbeat_details.payloads] == [b'"small"']
