"""Data converters, codecs and limits, end to end on the real server."""

import asyncio
import json
import random
import socket
import string
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from temporalio import activity
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker

from ringback import Callback, Decision, Subject, wait_for_callback, wait_for_decision
from ringback.app.bootstrap import running_gateway
from ringback.domain.ids import OutcomeId, to_identity
from ringback.temporal.converter import choose_converter
from ringback.temporal.limits import DEFAULT_BLOB_LIMIT, RETRYABLE_FAILURE_LIMIT, NamespaceLimits
from tests.integration.env import FakeService, path_of, plugin_for, serve_at, settings_in
from tests.integration.typed_workflows import Measure, ReadDecision, ReadInvoice
from tests.integration.workflows import Run, RunActivity
from tests.own_temporal import own_temporal
from tests.unit.result_schema.types_and_json import Invoice, Receipt

pytestmark = pytest.mark.server

INVOICE = {
    "id": "12345678-1234-4678-9234-567812345678",
    "at": "2026-01-02T03:04:05Z",
    "cents": 110,
    "total": "1.10",
}
HIDDEN = "tests.codecs:hidden"
ZIPPED = "tests.codecs:zipped"
HANGING = "tests.codecs:hanging"
PYDANTIC = "temporalio.contrib.pydantic:pydantic_data_converter"


@dataclass
class Env:
    """A worker and a gateway with one data converter."""

    client: Client
    http: httpx2.AsyncClient
    service: FakeService
    name: str

    async def start(self, workflow: Any, *args: Any) -> WorkflowHandle[Any, Any]:
        return await self.client.start_workflow(
            workflow.run,
            args=list(args),
            id=self.name,
            task_queue=self.name,
            execution_timeout=timedelta(seconds=60),
        )

    async def send(self, callback: Callback, body: bytes, verb: str = "") -> httpx2.Response:
        headers = {"prefer": "wait=10", "content-type": "application/json"}
        return await self.http.post(f"{path_of(callback)}{verb}", content=body, headers=headers)


OpenEnv = Callable[..., Any]


@pytest.fixture
def open_env(temporal_address: str, tmp_path: Path, unique: str) -> OpenEnv:
    """Start a gateway and a worker that uses the data converter at `path`."""

    @asynccontextmanager
    async def opened(
        path: str | None, result_type: Any, *, address: str = temporal_address, **options: Any
    ) -> AsyncIterator[Env]:
        settings = settings_in(tmp_path, data_converter=path, body_limit=8 * 1024 * 1024)
        service = FakeService(asyncio.get_running_loop())

        @activity.defn
        async def ask() -> Any:
            SEEN.append(list(activity.info().heartbeat_details))
            if result_type is Decision:
                return await wait_for_decision(Subject("Order 17"), service.submit, **options)
            return await wait_for_callback(service.submit, result_type)

        async with AsyncExitStack() as stack:
            of_gateway = await Client.connect(
                address, lazy=True, data_converter=choose_converter(path, None)
            )
            gateway = await stack.enter_async_context(running_gateway(of_gateway, settings))
            await serve_at(stack, gateway, settings)
            http = await stack.enter_async_context(
                httpx2.AsyncClient(base_url=settings.base_url, timeout=30, verify=False)
            )
            client = await Client.connect(
                address,
                data_converter=choose_converter(path, None),
                plugins=[plugin_for(settings)],
            )
            worker = Worker(
                client,
                task_queue=unique,
                workflows=[RunActivity, ReadInvoice, ReadDecision, Measure],
                activities=[ask],
            )
            await stack.enter_async_context(worker)
            yield Env(client, http, service, unique)

    return opened


SEEN: list[list[Any]] = []
"""What heartbeats had recorded when the latest attempts began."""


async def history_of(handle: WorkflowHandle[Any, Any]) -> bytes:
    """Return the complete history in its encoded form."""
    return b"".join([
        bytes(event.SerializeToString()) async for event in handle.fetch_history_events()
    ])


async def failure_of(handle: WorkflowHandle[Any, Any]) -> ApplicationError:
    """Return what failed the activity, and with it the workflow."""
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, ActivityError)
    cause = caught.value.cause.cause
    assert isinstance(cause, ApplicationError)
    return cause


async def test_result_is_encrypted_with_the_key_of_the_workflow(open_env: OpenEnv) -> None:
    async with open_env(HIDDEN, Invoice) as env:
        handle = await env.start(ReadInvoice)

        reply = await env.send(await env.service.next(), json.dumps(INVOICE).encode())

        assert reply.json()["state"] == "applied"
        assert await handle.result() == "Invoice over 1.10"
        assert b"12345678-1234" not in await history_of(handle)


async def test_failure_is_encrypted_including_its_message(open_env: OpenEnv) -> None:
    async with open_env(HIDDEN, Invoice) as env:
        handle = await env.start(RunActivity, Run("ask"))
        said = b'{"message": "a secret", "type": "Declined", "details": ["a secret", 1.10]}'

        reply = await env.send(await env.service.next(), said, "/fail")

        assert reply.json()["state"] == "applied"
        failure = await failure_of(handle)
        assert (failure.message, failure.type) == ("a secret", "Declined")
        assert failure.details == ("a secret", 1.1)
        assert b"secret" not in await history_of(handle)


async def test_encrypted_failure_is_retried_and_proven(open_env: OpenEnv) -> None:
    async with open_env(HIDDEN, Invoice) as env:
        handle = await env.start(RunActivity, Run("ask", attempts=2))

        first = await env.service.next()
        reply = await env.send(first, b'{"message": "not yet"}', "/fail")
        again = await env.service.next()
        await env.send(again, json.dumps(INVOICE).encode())

        assert reply.json()["state"] == "applied"
        assert again.id != first.id
        assert (await handle.result())["id"] == INVOICE["id"]


async def test_heartbeat_details_are_encrypted_and_reach_the_next_attempt(
    open_env: OpenEnv,
) -> None:
    async with open_env(HIDDEN, Invoice) as env:
        handle = await env.start(RunActivity, Run("ask", attempts=2))
        first = await env.service.next()

        await env.send(first, b'{"progress": "a secret"}', "/heartbeat")
        (pending,) = (await handle.describe()).raw_description.pending_activities
        await env.send(first, b'{"message": "not yet"}', "/fail")
        await env.send(await env.service.next(), json.dumps(INVOICE).encode())
        await handle.result()

        assert b"secret" not in pending.heartbeat_details.SerializeToString()
        assert SEEN[-1] == [{"progress": "a secret"}]


async def test_answer_that_hangs_the_codec_gets_503_and_others_are_delivered(
    open_env: OpenEnv,
) -> None:
    async with open_env(HANGING, str) as env:
        handles = [
            await env.client.start_workflow(
                RunActivity.run, Run("ask"), id=f"{env.name}-{n}", task_queue=env.name
            )
            for n in range(2)
        ]
        hung, served = [await env.service.next() for _ in range(2)]

        ended: list[str] = []

        async def send(callback: Callback, body: bytes) -> httpx2.Response:
            reply: httpx2.Response = await env.send(callback, body)
            ended.append(callback.id)
            return reply

        refused, reply = await asyncio.gather(send(hung, b'"hang"'), send(served, b'"the answer"'))
        again = await env.send(hung, b'"another answer"')

        assert ended == [served.id, hung.id]
        assert reply.json()["state"] == "applied"
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert again.json()["state"] == "applied"
        results = {await handle.result() for handle in handles}
        assert results == {"the answer", "another answer"}


async def test_wrong_result_is_refused_with_its_path_and_a_correct_one_is_accepted(
    open_env: OpenEnv,
) -> None:
    async with open_env(PYDANTIC, Invoice) as env:
        handle = await env.start(ReadInvoice)
        callback = await env.service.next()

        wrong = await env.send(callback, json.dumps({**INVOICE, "total": "much"}).encode())
        right = await env.send(callback, json.dumps(INVOICE).encode())

        assert wrong.status_code == 422
        assert "/total" in wrong.text
        assert right.status_code == 200
        assert await handle.result() == "Invoice over 1.10"


@pytest.mark.parametrize(
    ("path", "form", "filled"),
    [
        (PYDANTIC, Receipt, {"id": "r1", "cents": 110}),
        (PYDANTIC, Invoice, INVOICE),
        (HIDDEN, Invoice, INVOICE),
    ],
    ids=["dataclass", "model", "model and codec"],
)
async def test_decision_and_its_form_are_read_with_the_pydantic_converter(
    open_env: OpenEnv, path: str, form: type, filled: dict[str, Any]
) -> None:
    async with open_env(path, Decision, form=form) as env:
        handle = await env.start(ReadDecision, form.__name__)
        callback = await env.service.next()

        wrong = await env.send(callback, b'{"approved": true, "form": {"cents": "many"}}')
        right = await env.send(callback, json.dumps({"approved": True, "form": filled}).encode())

        assert (wrong.status_code, right.json()["state"]) == (422, "applied")
        assert await handle.result() == [True, 110, "link", "UTC"]


async def test_default_decision_is_read_with_the_pydantic_converter(open_env: OpenEnv) -> None:
    default = Decision(approved=False, reason="nobody decided")
    within = timedelta(milliseconds=300)
    async with open_env(PYDANTIC, Decision, deadline=within, on_deadline=default) as env:
        handle = await env.start(ReadDecision, "none")

        assert await handle.result() == [False, "nobody decided", True]


@pytest.mark.parametrize("path", [PYDANTIC, HIDDEN])
async def test_rejection_that_fails_is_read_with_the_pydantic_converter(
    open_env: OpenEnv, path: str
) -> None:
    async with open_env(path, Decision, on_reject="fail") as env:
        handle = await env.start(RunActivity, Run("ask"))

        said = b'{"approved": false, "reason": "too expensive"}'
        await env.send(await env.service.next(), said)

        failure = await failure_of(handle)
        assert (failure.type, failure.non_retryable) == ("ApprovalDenied", True)
        assert failure.details[0]["reason"] == "too expensive"


async def test_result_that_only_pydantic_reads_needs_the_pydantic_converter(
    open_env: OpenEnv,
) -> None:
    async with open_env(None, Invoice | list[int]) as env:
        await env.start(RunActivity, Run("ask"))
        reply = await env.send(await env.service.next(), b'["1"]')

    assert reply.status_code == 422


async def test_details_arrive_byte_for_byte(open_env: OpenEnv) -> None:
    async with open_env(None, str) as env:
        handle = await env.start(RunActivity, Run("ask"))
        details = b'[1.10, 1e300, {"b": 12345678901234567890123,  "a": 0.10}, "\\u00e4"]'

        await env.send(
            await env.service.next(), b'{"message": "no", "details": ' + details + b"}", "/fail"
        )

        await failure_of(handle)
        history = await history_of(handle)
        for written in (b"1.10", b"1e300", b'{"b": 12345678901234567890123,  "a": 0.10}'):
            assert written in history


async def test_retry_delay_of_zero_starts_the_next_attempt_soon(open_env: OpenEnv) -> None:
    async with open_env(None, str) as env:
        handle = await env.start(RunActivity, Run("ask", attempts=2, back_off=50))

        said = b'{"message": "no", "next_retry_delay": 0}'
        await env.send(await env.service.next(), said, "/fail")
        await env.send(await env.service.next(), b'"at once"')

        assert await handle.result() == "at once"


def result_of(size: int) -> bytes:
    """Return a text whose payload is that large on the wire."""

    def on_the_wire(text: str) -> int:
        payload = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(text).encode())
        return Payloads(payloads=[payload]).ByteSize()

    return json.dumps(_text_with(size, on_the_wire)).encode()


def failure_with(size: int, *, non_retryable: bool) -> bytes:
    """Return the body of a failure that is that large when it is delivered."""
    signature = to_identity(OutcomeId("oc_" + "a" * 26))

    def on_the_wire(text: str) -> int:
        info = ApplicationFailureInfo(non_retryable=non_retryable)
        info.details.payloads.add(
            metadata={"encoding": b"json/plain"}, data=json.dumps(text).encode()
        )
        return Failure(message="no", source=signature, application_failure_info=info).ByteSize()

    detail = _text_with(size, on_the_wire)
    said = {"message": "no", "details": [detail], "non_retryable": non_retryable}
    return json.dumps(said).encode()


def _text_with(size: int, measure: Callable[[str], int]) -> str:
    # What wraps the text grows with it, in steps.
    length = size
    while surplus := measure("x" * length) - size:
        length -= surplus
    return "x" * length


async def test_largest_result_is_delivered_and_one_byte_more_is_refused(
    open_env: OpenEnv,
) -> None:
    async with open_env(None, str) as env:
        handle = await env.start(Measure, 1)
        callback = await env.service.next()

        too_large = await env.send(callback, result_of(DEFAULT_BLOB_LIMIT + 1))
        largest = await env.send(callback, result_of(DEFAULT_BLOB_LIMIT))

        assert too_large.status_code == 413
        assert too_large.json()["limit"] == DEFAULT_BLOB_LIMIT
        assert largest.json()["state"] == "applied"
        assert await handle.result() == [len(result_of(DEFAULT_BLOB_LIMIT)) - 2]


async def test_largest_final_failure_arrives_completely_and_one_byte_more_is_refused(
    open_env: OpenEnv,
) -> None:
    async with open_env(None, str) as env:
        handle = await env.start(Measure, 1)
        callback = await env.service.next()
        too_large, largest = (
            failure_with(size, non_retryable=True)
            for size in (DEFAULT_BLOB_LIMIT + 1, DEFAULT_BLOB_LIMIT)
        )

        refused = await env.send(callback, too_large, "/fail")
        taken = await env.send(callback, largest, "/fail")

        assert refused.status_code == 413
        assert taken.json()["state"] == "applied"
        (detail,) = json.loads(largest)["details"]
        assert await handle.result() == [None, "no", True, len(detail)]


async def test_largest_retryable_failure_arrives_completely_and_one_byte_more_is_refused(
    open_env: OpenEnv,
) -> None:
    async with open_env(None, str) as env:
        handle = await env.start(Measure, 2)
        callback = await env.service.next()
        too_large, largest = (
            failure_with(size, non_retryable=False)
            for size in (RETRYABLE_FAILURE_LIMIT + 1, RETRYABLE_FAILURE_LIMIT)
        )

        refused = await env.send(callback, too_large, "/fail")
        taken = await env.send(callback, largest, "/fail")
        again = await env.service.next()
        (pending,) = (await handle.describe()).raw_description.pending_activities
        await env.send(again, b'"in the end"')

        assert refused.status_code == 413
        assert refused.json()["limit"] == RETRYABLE_FAILURE_LIMIT
        assert "non_retryable" in refused.json()["detail"]
        assert taken.json()["state"] == "applied"
        assert pending.last_failure.ByteSize() == RETRYABLE_FAILURE_LIMIT
        assert pending.last_failure.message == "no"
        assert await handle.result() == [len("in the end")]


async def test_largest_heartbeat_is_recorded_and_one_byte_more_is_refused(
    open_env: OpenEnv,
) -> None:
    async with open_env(None, str) as env:
        handle = await env.start(Measure, 1)
        callback = await env.service.next()

        too_large = await env.send(callback, result_of(DEFAULT_BLOB_LIMIT + 1), "/heartbeat")
        largest = await env.send(callback, result_of(DEFAULT_BLOB_LIMIT), "/heartbeat")
        (pending,) = (await handle.describe()).raw_description.pending_activities
        await env.send(callback, b'"done"')

        assert too_large.status_code == 413
        assert (largest.status_code, largest.json()["cancel_requested"]) == (200, False)
        assert pending.heartbeat_details.ByteSize() == DEFAULT_BLOB_LIMIT
        assert await handle.result() == [len("done")]


async def test_limit_applies_to_the_encoded_size(open_env: OpenEnv) -> None:
    async with open_env(ZIPPED, str) as env:
        handle = await env.start(Measure, 1)
        callback = await env.service.next()
        chance = random.Random(7)  # noqa: S311 - it is to be the same each time
        noise = "".join(chance.choices(string.ascii_letters + string.digits, k=3 * 1024 * 1024))

        incompressible = await env.send(callback, json.dumps(noise).encode())
        compressible = await env.send(callback, json.dumps("r" * 5 * 1024 * 1024).encode())

        assert incompressible.status_code == 413
        assert compressible.json()["state"] == "applied"
        assert await handle.result() == [5 * 1024 * 1024]


@pytest.fixture
async def narrow() -> AsyncIterator[str]:
    """The address of a server of its own, whose namespaces take no more than 60,000 bytes."""
    async with own_temporal({"limit.blobSize.error": "60000"}) as client:
        yield client.service_client.config.target_host


async def test_namespace_may_have_its_own_limit(open_env: OpenEnv, narrow: str) -> None:
    async with open_env(None, str, address=narrow) as env:
        handle = await env.start(Measure, 1)
        callback = await env.service.next()

        too_large = await env.send(callback, result_of(60_001))
        largest = await env.send(callback, result_of(60_000))

        assert (too_large.status_code, too_large.json()["limit"]) == (413, 60_000)
        assert largest.json()["state"] == "applied"
        assert await handle.result() == [len(result_of(60_000)) - 2]


async def test_unknown_namespace_has_the_default_limit(client: Client) -> None:
    assert await NamespaceLimits(client).blob_limit("nowhere") == DEFAULT_BLOB_LIMIT


def at_once(waiting: Coroutine[Any, Any, int]) -> int:
    """Return what `waiting` returns without waiting."""
    with pytest.raises(StopIteration) as returned:
        waiting.send(None)
    return int(returned.value.value)


@pytest.mark.parametrize("listens", [False, True], ids=["refused", "silent"])
async def test_unreachable_server_delays_only_the_first_answer(listens: bool) -> None:  # noqa: FBT001 - a parameter
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listens:
            server.listen()
        client = await Client.connect(f"127.0.0.1:{server.getsockname()[1]}", lazy=True)
        limits = NamespaceLimits(client)

        first = await limits.blob_limit("default")

        assert {first, at_once(limits.blob_limit("default"))} == {DEFAULT_BLOB_LIMIT}
