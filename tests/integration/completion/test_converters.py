"""Data converters that want to know which activity they encode for."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowFailureError
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
)
from temporalio.exceptions import ActivityError, ApplicationError

from ringback import AsyncCompletionClient, RetryableError
from ringback.domain.errors import EncodingError
from tests.codecs import hidden
from tests.integration.completion.verbs import (
    FINAL,
    By,
    by_either,
    ids,
    in_every_way,
    raised,
    token,
)
from tests.integration.facts.env import Attempt, Env, seconds
from tests.integration.facts.standalone import ask as ask_standalone
from tests.integration.facts.workflows import Asking

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
async def hiding(temporal_address: str) -> AsyncIterator[Env]:
    """An environment that encrypts each payload with a key of its workflow."""
    client = await Client.connect(temporal_address, data_converter=hidden)
    env = Env(client, f"test-{uuid4()}")
    async with env.worker():
        yield env
        await env.close()


def context_of(attempt: Attempt) -> ActivitySerializationContext:
    """Return what the worker passes to the converter when it runs this attempt."""
    info = attempt.info
    return ActivitySerializationContext(
        namespace=info.namespace,
        activity_id=info.activity_id,
        activity_type=info.activity_type,
        activity_task_queue=info.task_queue,
        workflow_id=info.workflow_id or "",
        workflow_type=info.workflow_type,
        is_local=False,
    )


def for_the(attempt: Attempt, by: By) -> AsyncCompletionClient:
    """Return a client as a caller needs it: with a context for a token, without one for ids."""
    completion = AsyncCompletionClient(attempt.client)
    return completion.with_context(context_of(attempt)) if by is token else completion


@in_every_way
async def test_a_result_is_hidden_as_the_worker_would_hide_it(hiding: Env, by: By) -> None:
    question, attempt = await hiding.ask()

    await for_the(attempt, by).complete(by(attempt), {"approved": True})

    assert await question.result() == {"approved": True}


@by_either
async def test_failure_is_encrypted_including_its_message(hiding: Env, by: By) -> None:
    question, attempt = await hiding.ask()

    await for_the(attempt, by).fail(by(attempt), FINAL)

    (failed,) = await question.events("activity_task_failed")
    assert failed.failure.message == "Encoded failure"
    with pytest.raises(WorkflowFailureError) as caught:
        await question.result()
    assert isinstance(caught.value.cause, ActivityError)
    assert isinstance(caught.value.cause.cause, ApplicationError)
    assert caught.value.cause.cause.message == "no"


@by_either
async def test_details_that_are_sent_again_are_not_hidden_twice(hiding: Env, by: By) -> None:
    question, attempt = await hiding.ask(Asking(back_off=0.01))
    completion = for_the(attempt, by)
    await completion.heartbeat(by(attempt), "page 7")

    await completion.heartbeat(by(attempt))
    await completion.fail(by(attempt), RuntimeError("busy"))

    assert (await question.next()).info.heartbeat_details == ["page 7"]


async def test_by_token_a_converter_receives_nothing_unless_the_caller_does(
    hiding: Env,
) -> None:
    question, attempt = await hiding.ask()
    completion = AsyncCompletionClient(hiding.client)

    with pytest.raises(AssertionError, match="needs the context of a workflow"):
        await completion.complete(token(attempt), "x")

    assert not (await question.pending()).HasField("last_failure")


@dataclass(frozen=True)
class Listening(PayloadCodec, WithSerializationContext):
    """Changes nothing, and keeps the contexts that it encodes in."""

    heard: list[SerializationContext | None] = field(default_factory=list)
    context: SerializationContext | None = None

    def with_context(self, context: SerializationContext) -> "Listening":
        return dataclasses.replace(self, context=context)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        self.heard.append(self.context)
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


async def test_by_ids_a_converter_gets_all_that_the_workers_converter_gets(
    env: Env, temporal_address: str
) -> None:
    codec = Listening()
    converter = DataConverter(payload_codec=codec)
    completion = AsyncCompletionClient(
        await Client.connect(temporal_address, data_converter=converter)
    )
    (_, attempt), standalone = await env.ask(), await ask_standalone(env)

    await completion.complete(ids(attempt), "x")
    await completion.complete(ids(standalone.attempt), "x")

    assert codec.heard == [context_of(attempt), context_of(standalone.attempt)]


class Stuck(PayloadCodec):
    """Waits for keys that never come, or gives up by itself."""

    def __init__(self, *, gives_up: bool) -> None:
        self._gives_up = gives_up

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        if self._gives_up:
            msg = "no keys in time"
            raise TimeoutError(msg)
        await asyncio.get_running_loop().create_future()
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


async def with_codec(address: str, codec: PayloadCodec) -> AsyncCompletionClient:
    """Return a completion client with this codec."""
    converter = DataConverter(payload_codec=codec)
    return AsyncCompletionClient(await Client.connect(address, data_converter=converter))


async def test_a_codec_that_hangs_costs_no_more_time_than_was_given(
    env: Env, temporal_address: str
) -> None:
    question, attempt = await env.ask()
    completion = await with_codec(temporal_address, Stuck(gives_up=False))

    error = await raised(
        completion.complete(ids(attempt), "x", rpc_timeout=seconds(0.2)), EncodingError
    )

    assert isinstance(error, RetryableError)
    assert "nothing was sent" in str(error)
    assert (await question.pending()).attempt == 1


async def test_a_time_out_of_the_codec_s_own_comes_out_unchanged(
    env: Env, temporal_address: str
) -> None:
    _, attempt = await env.ask()
    completion = await with_codec(temporal_address, Stuck(gives_up=True))

    with pytest.raises(TimeoutError, match="no keys in time"):
        await completion.complete(ids(attempt), "x")
