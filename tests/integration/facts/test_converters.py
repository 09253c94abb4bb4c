"""What becomes of a result on its way: the converter's part, and the worker's."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
)
from temporalio.exceptions import ApplicationError

from tests.integration.facts.answers import CLOSED, GONE_BY_ID, ById, payloads, refusal
from tests.integration.facts.env import Attempt, Env, Question, until
from tests.integration.facts.workflows import AskAndStay, AskForANumber, Asking

pytestmark = [pytest.mark.server, pytest.mark.thorough]


class Backwards(PayloadCodec, WithSerializationContext):
    """A codec that writes payloads backwards, and records the contexts that it gets."""

    def __init__(self, given: list[SerializationContext] | None = None) -> None:
        self.given = [] if given is None else given

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Turn them round."""
        return [
            Payload(metadata={"encoding": b"binary/backwards"}, data=payload.data[::-1])
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Leave them: nothing is read here."""
        return list(payloads)

    def with_context(self, context: SerializationContext) -> "Backwards":
        """Keep the context."""
        self.given.append(context)
        return self


CODED = replace(DataConverter.default, payload_codec=Backwards())


async def in_other_hands(attempt: Attempt, converter: DataConverter) -> Attempt:
    """Return the same attempt through a client with another converter."""
    address = attempt.client.service_client.config.target_host
    return Attempt(await Client.connect(address, data_converter=converter), attempt.info)


async def until_wedged(question: Question) -> None:
    """Return once the workflow's task has failed and is tried again."""
    await until(question.describe, lambda seen: seen.pending_workflow_task.attempt > 1)


async def test_nothing_and_none_are_written_differently_and_read_the_same(env: Env) -> None:
    (nothing, one), (none, two) = await asyncio.gather(env.ask(), env.ask())

    await one.by_id.complete()
    await two.by_id.complete(None)

    assert [await nothing.result(), await none.result()] == [None, None]
    (without,) = await nothing.events("activity_task_completed")
    (empty,) = await none.events("activity_task_completed")
    assert len(without.result.payloads) == 0
    assert empty.result.payloads[0].metadata["encoding"] == b"binary/null"


async def test_bytes_travel_as_they_are_and_a_ready_payload_is_relayed(env: Env) -> None:
    (plain, one), (relayed, two) = await asyncio.gather(env.ask(), env.ask())
    ready = Payload(metadata={"encoding": b"json/plain"}, data=b'{"a":  1}')

    await one.by_id.complete(b"\x00\xff")
    await two.by_id.complete(RawValue(ready))

    (completed,) = await plain.events("activity_task_completed")
    assert completed.result.payloads[0].metadata["encoding"] == b"binary/plain"
    assert completed.result.payloads[0].data == b"\x00\xff"
    (completed,) = await relayed.events("activity_task_completed")
    assert completed.result.payloads[0] == ready
    assert await relayed.result() == {"a": 1}


@pytest.mark.parametrize(
    "result",
    [
        payloads(b'"not a number"'),
        Payloads(payloads=[Payload(metadata={"encoding": b"binary/backwards"}, data=b"1")]),
    ],
    ids=["another shape", "an encoding that the worker does not know"],
)
async def test_a_result_that_the_worker_cannot_read_is_taken_and_blocks_the_workflow(
    env: Env, result: Payloads
) -> None:
    question, attempt = await env.ask(workflow=AskForANumber)

    await ById(attempt).complete(result)

    await until_wedged(question)
    assert len(await question.events("activity_task_completed")) == 1
    assert await refusal(attempt.by_id.complete(1)) == GONE_BY_ID
    await question.handle.terminate()
    assert await refusal(attempt.by_id.complete(1)) == CLOSED


async def test_a_codec_writes_results_and_heartbeat_details(env: Env) -> None:
    question, attempt = await env.ask(workflow=AskAndStay)
    coded = await in_other_hands(attempt, CODED)

    await coded.by_id.heartbeat("here")
    pending = await question.pending()
    await coded.by_id.complete("done")

    assert pending.heartbeat_details.payloads[0].data == b'"ereh"'
    (completed,) = await question.events("activity_task_completed")
    assert completed.result.payloads[0].data == b'"enod"'


async def failure_kept(env: Env, converter: DataConverter) -> Failure:
    """Return what history keeps of a failure through this converter."""
    question, attempt = await env.ask(Asking(maximum_attempts=1), workflow=AskAndStay)
    coded = await in_other_hands(attempt, converter)
    await coded.by_id.fail(ApplicationError("secret", "details"))
    (event,) = await question.events("activity_task_failed")
    kept: Failure = event.failure
    return kept


async def test_a_codec_leaves_the_message_of_a_failure_in_the_clear_unless_it_is_set(
    env: Env,
) -> None:
    told = replace(CODED, failure_converter_class=DefaultFailureConverterWithEncodedAttributes)

    plain, covered = await asyncio.gather(failure_kept(env, CODED), failure_kept(env, told))

    assert plain.message == "secret"
    assert covered.message == "Encoded failure"
    assert covered.HasField("encoded_attributes")
    for kept in (plain, covered):
        assert kept.application_failure_info.details.payloads[0].data == b'"sliated"'


async def test_a_converter_learns_whose_result_it_writes_only_when_the_handle_is_given_it(
    env: Env,
) -> None:
    question, attempt = await env.ask(workflow=AskAndStay)
    codec = Backwards()
    coded = await in_other_hands(attempt, replace(CODED, payload_codec=codec))
    context = ActivitySerializationContext(
        namespace=coded.client.namespace,
        activity_id=attempt.info.activity_id,
        activity_type="ask",
        activity_task_queue=env.task_queue,
        workflow_id=question.handle.id,
        workflow_type="AskAndStay",
        is_local=False,
    )

    await coded.by_id.heartbeat("here")
    untold = list(codec.given)
    await coded.by_id.with_context(context).complete("done")

    assert untold == []
    assert codec.given == [context]
