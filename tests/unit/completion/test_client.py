"""Arguments are checked before anything is sent."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.workflowservice.v1 import DescribeNamespaceResponse
from temporalio.client import Client
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from ringback.completion.client import AsyncCompletionClient
from ringback.completion.refs import ActivityRef
from ringback.domain.completion_errors import CompletionUnansweredError
from ringback.domain.errors import EncodingError

AWAY = RPCError("tcp connect error", RPCStatusCode.UNAVAILABLE, b"")
REF = ActivityRef("1", "order-7", "a-run")


@dataclass
class Server:
    """A client of a server that accepts everything and records the names of requests."""

    data_converter: DataConverter = DataConverter.default
    namespace: str = "default"
    identity: str = "me"
    sent: list[str] = field(default_factory=list)

    @property
    def workflow_service(self) -> "Server":
        return self

    async def describe_namespace(self, _: object, **__: object) -> DescribeNamespaceResponse:
        return DescribeNamespaceResponse()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(_: object, **__: object) -> None:
            self.sent.append(name)

        return call

    def client(self) -> AsyncCompletionClient:
        return AsyncCompletionClient(cast("Client", self))


@dataclass
class SilentServer(Server):
    """Cannot be reached at first, and never replies to the next request."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(_: object, **__: object) -> None:
            self.sent.append(name)
            if len(self.sent) == 1:
                raise AWAY
            await asyncio.Event().wait()

        return call


class HangingCodec(PayloadCodec):
    """Never returns from encoding."""

    async def encode(self, _: Sequence[Payload]) -> list[Payload]:
        await asyncio.Event().wait()
        raise AssertionError

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


Call = Callable[[AsyncCompletionClient, timedelta], Awaitable[None]]
IN_EACH_METHOD: dict[str, Call] = {
    "complete": lambda client, within: client.complete(REF, 1, rpc_timeout=within),
    "fail": lambda client, within: client.fail(REF, ApplicationError("no", 1), rpc_timeout=within),
    "fail with details": lambda client, within: client.fail(
        REF, ValueError("no"), last_heartbeat_details=[1], rpc_timeout=within
    ),
    "heartbeat": lambda client, within: client.heartbeat(REF, 1, rpc_timeout=within),
    "report_cancellation": lambda client, within: client.report_cancellation(
        REF, 1, rpc_timeout=within
    ),
}


@pytest.mark.parametrize("call", IN_EACH_METHOD.values(), ids=IN_EACH_METHOD.keys())
async def test_codec_that_does_not_return_is_reported_as_the_cause(call: Call) -> None:
    server = Server(DataConverter(payload_codec=HangingCodec()))

    with pytest.raises(EncodingError, match=r"did not return within 0\.2 s; nothing was sent"):
        await call(server.client(), timedelta(milliseconds=400))

    assert server.sent == []


async def test_timeout_that_the_codec_raises_comes_out_unchanged() -> None:
    class AwayCodec(HangingCodec):
        async def encode(self, _: Sequence[Payload]) -> list[Payload]:
            msg = "no reply of the key service"
            raise TimeoutError(msg)

    server = Server(DataConverter(payload_codec=AwayCodec()))

    with pytest.raises(TimeoutError, match="no reply of the key service"):
        await server.client().complete(REF, 1)


@pytest.mark.parametrize(
    "delay", [timedelta.max, timedelta(days=3651), timedelta(seconds=-1)], ids=str
)
async def test_failure_with_an_impossible_retry_delay_is_refused(delay: timedelta) -> None:
    server = Server()

    with pytest.raises(ValueError, match=r"next_retry_delay must be .* at most 3650 days"):
        await server.client().fail(REF, ApplicationError("no", next_retry_delay=delay))

    assert server.sent == []


@pytest.mark.parametrize("error", ["the bank said no", ValueError])
async def test_failure_that_is_not_an_exception_is_rejected(error: Any) -> None:
    server = Server()

    with pytest.raises(TypeError, match="an activity fails with an exception"):
        await server.client().fail(REF, error)

    assert server.sent == []


async def test_call_whose_time_is_up_names_the_last_error() -> None:
    with pytest.raises(CompletionUnansweredError, match="UNAVAILABLE: tcp connect error") as raised:
        await SilentServer().client().complete(REF, "x", rpc_timeout=timedelta(milliseconds=400))

    assert raised.value.cause is AWAY
    assert not raised.value.may_be_applied
