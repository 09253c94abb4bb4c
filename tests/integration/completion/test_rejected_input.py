"""What is refused before it is sent."""

import logging
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.exceptions import (
    ApplicationError,
    CancelledError,
    TimeoutError,  # noqa: A004 - the SDK's name for its own error
    TimeoutType,
)

from ringback import ActivityNotFoundError, AsyncCompletionClient, FinalError
from ringback.domain.completion_errors import CompletionRefusedError, UnusableTokenError
from ringback.domain.errors import AnswerTooLargeError
from tests.integration.completion.verbs import (
    FINAL,
    By,
    by_either,
    errors_of_all_verbs,
    ids,
    raised,
    token,
)
from tests.integration.facts.env import Env, Question
from tests.integration.facts.standalone import ask as ask_standalone
from tests.integration.facts.wire import Wire
from tests.integration.facts.workflows import Asking

pytestmark = pytest.mark.server

MEBIBYTE = 1024 * 1024
LIMIT = 2 * MEBIBYTE


async def waits(question: Question) -> bool:
    """Tell whether its activity still waits for its first answer."""
    pending = await question.pending()
    return pending.attempt == 1 and not pending.HasField("last_heartbeat_time")


@pytest.mark.parametrize(
    "not_one",
    [b"", b"garbage", b"local_act_\x01\x00\x00\x00", b"\x00" * 40, "töken".encode()],
    ids=["empty", "garbage", "of a local activity", "zeros", "text"],
)
async def test_bytes_that_are_not_a_token_are_refused_for_every_verb(
    completion: AsyncCompletionClient, not_one: bytes
) -> None:
    assert await errors_of_all_verbs(completion, not_one) == {UnusableTokenError}


@pytest.mark.parametrize("encode", [b64encode, lambda raw: raw.hex().encode()], ids=["64", "16"])
async def test_a_token_that_was_not_decoded_is_refused(
    env: Env, completion: AsyncCompletionClient, encode: Callable[[bytes], bytes]
) -> None:
    question, attempt = await env.ask()

    error = await raised(completion.complete(encode(token(attempt)), "x"), UnusableTokenError)

    assert "decode hexadecimal or base64 text first" in str(error)
    assert await waits(question)


async def test_bytes_that_are_not_a_token_are_refused_without_a_server(wire: Wire) -> None:
    async with wire.open() as address:
        client = await Client.connect(address)
    completion = AsyncCompletionClient(client)

    for not_one in (b"", b"garbage", b"local_act_\x01\x00\x00\x00"):
        error = await raised(completion.heartbeat(not_one), UnusableTokenError)
        assert isinstance(error, FinalError)


@pytest.fixture
def wire(temporal_address: str) -> Wire:
    return Wire(temporal_address)


async def test_text_is_not_a_target(completion: AsyncCompletionClient) -> None:
    with pytest.raises(TypeError, match="ActivityRef"):
        await completion.complete("dG9rZW4=", "x")  # type: ignore[arg-type]  # that is the point


async def other_namespace(client: Client) -> Client:
    """Return a client of a namespace that was made just now."""
    name = f"test-{uuid4()}"
    request = RegisterNamespaceRequest(namespace=name)
    request.workflow_execution_retention_period.FromTimedelta(timedelta(days=1))
    await client.workflow_service.register_namespace(request)
    return await Client.connect(client.service_client.config.target_host, namespace=name)


async def test_a_token_of_another_namespace_is_refused_at_once(env: Env) -> None:
    question, attempt = await env.ask()
    standalone = await ask_standalone(env)
    elsewhere = AsyncCompletionClient(await other_namespace(env.client))

    by_token = await errors_of_all_verbs(elsewhere, token(attempt))
    by_token_alone = await errors_of_all_verbs(elsewhere, token(standalone.attempt))

    assert by_token == by_token_alone == {UnusableTokenError}
    assert await waits(question)
    await standalone.handle.terminate()


async def test_ids_may_name_another_namespace(env: Env) -> None:
    question, attempt = await env.ask()
    elsewhere = AsyncCompletionClient(await other_namespace(env.client))
    ref = ids(attempt)

    await raised(elsewhere.complete(ref, "astray"), ActivityNotFoundError)
    await elsewhere.complete(replace(ref, namespace=env.client.namespace), "far")

    assert await question.result() == "far"


async def test_no_error_and_no_log_repeats_a_token(
    env: Env, completion: AsyncCompletionClient, caplog: pytest.LogCaptureFixture
) -> None:
    question, attempt = await env.ask()
    await completion.complete(token(attempt), "done")
    await question.result()
    secret = token(attempt)
    caplog.clear()
    caplog.set_level(logging.DEBUG)

    for target in (secret, secret[:-9], secret + b"x", b64encode(secret)):
        with pytest.raises(FinalError) as caught:
            await completion.complete(target, "again")
        shown = f"{caught.getrepr(style='long', showlocals=False)} {caplog.text}"
        assert str(secret)[2:60] not in shown
        assert b64encode(secret).decode()[:40] not in shown
        assert secret.hex()[:40] not in shown


@by_either
@pytest.mark.parametrize("size", [LIMIT, 3 * LIMIT], ids=["over the limit", "over all limits"])
async def test_what_temporal_would_fail_the_activity_over_is_refused(
    env: Env, completion: AsyncCompletionClient, by: By, size: int
) -> None:
    question, attempt = await env.ask()
    large = "x" * size
    final = ApplicationError("no", large, non_retryable=True)
    target = by(attempt)

    for call in (
        completion.complete(target, large),
        completion.heartbeat(target, large),
        completion.report_cancellation(target, large),
        completion.fail(target, final),
        completion.fail(target, FINAL, last_heartbeat_details=[large]),
    ):
        error = await raised(call, AnswerTooLargeError)
        assert error.limit == LIMIT

    assert await waits(question)
    await completion.complete(target, "x" * (LIMIT - 100))


@by_either
async def test_a_failure_to_retry_is_held_to_what_temporal_keeps_of_one(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await env.ask(Asking(back_off=0.01))

    error = await raised(
        completion.fail(by(attempt), ApplicationError("busy", "x" * 4096)), AnswerTooLargeError
    )
    await completion.fail(by(attempt), ApplicationError("busy", "x" * 3500))

    assert error.limit == 4096
    await question.next()
    assert "x" * 3500 in str((await question.pending()).last_failure)


def fail_because_of(cause: Exception | None, number: int) -> None:
    """Raise an error with a cause."""
    msg = f"error {number}"
    raise ValueError(msg) from cause


def with_causes(number: int) -> Exception | None:
    """Return an error with `number` causes, whose stack traces are long together."""
    cause: Exception | None = None
    for one in range(number):
        try:
            fail_because_of(cause, one)
        except ValueError as exc:
            cause = exc
    return cause


@by_either
async def test_a_failure_that_is_too_large_goes_without_its_stack_traces(
    env: Env, completion: AsyncCompletionClient, by: By
) -> None:
    question, attempt = await env.ask(Asking(back_off=0.01))

    error = with_causes(31)
    assert error is not None

    await completion.fail(by(attempt), error)

    await question.next()
    failure = (await question.pending()).last_failure
    assert (failure.message, failure.cause.message) == ("error 30", "error 29")
    assert (failure.stack_trace, failure.cause.stack_trace) == ("", "")
    assert "error 0" in str(failure)


@pytest.mark.parametrize(
    "error",
    [
        CancelledError("why"),
        TimeoutError("why", type=TimeoutType.HEARTBEAT, last_heartbeat_details=[]),
    ],
    ids=["canceled", "timed out"],
)
async def test_a_failure_that_a_token_does_not_take_is_refused(
    env: Env, completion: AsyncCompletionClient, error: Exception
) -> None:
    question, attempt = await env.ask()

    refused = await raised(completion.fail(token(attempt), error), CompletionRefusedError)

    assert "by task token" in str(refused)
    assert await waits(question)


async def test_what_the_converter_raises_comes_out_unchanged(
    env: Env, completion: AsyncCompletionClient
) -> None:
    question, attempt = await env.ask()

    for target in (token(attempt), ids(attempt)):
        with pytest.raises(TypeError, match="not JSON serializable"):
            await completion.complete(target, object())

    assert await waits(question)
