"""How long a request may take, connecting included, and which is sent again."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.service import RPCError, RPCStatusCode

from ringback.temporal.rpc import Request, in_time, to_read, to_request

SHORT = timedelta(milliseconds=10)
MESSAGE = DescribeNamespaceRequest(namespace="default")


async def test_request_gets_its_timeout() -> None:
    async def call(request: object, **options: Any) -> tuple[object, dict[str, Any]]:
        return request, options

    sent = await in_time(to_request(call, MESSAGE, {"x-tenant": "a"}), within=SHORT)

    assert sent == (MESSAGE, {"metadata": {"x-tenant": "a"}, "timeout": SHORT})


async def test_request_that_cannot_connect_in_time_is_abandoned() -> None:
    async def request(_: timedelta) -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="no connection in time"):
        await in_time(request, within=SHORT)


def closed_connection() -> RPCError:
    return RPCError("operation was canceled", RPCStatusCode.CANCELLED, b"")


async def test_read_is_sent_again_if_the_server_closes_the_connection() -> None:
    tries: list[object] = []

    async def call(request: object, **_: Any) -> str:
        tries.append(request)
        if len(tries) == 1:
            raise closed_connection()
        return "read"

    assert await in_time(to_read(call, MESSAGE), within=SHORT) == "read"
    assert tries == [MESSAGE, MESSAGE]


@pytest.mark.parametrize(
    ("to_send", "error", "tries"),
    [
        (to_read, closed_connection(), 2),
        (to_read, RPCError("Timeout expired", RPCStatusCode.CANCELLED, b""), 1),
        (to_request, closed_connection(), 1),
    ],
)
async def test_other_errors_and_writes_are_not_sent_again(
    to_send: Callable[..., Request[None]], error: RPCError, tries: int
) -> None:
    counted = 0

    async def call(_: object, **__: Any) -> None:
        nonlocal counted
        counted += 1
        raise error

    with pytest.raises(RPCError) as caught:
        await in_time(to_send(call, MESSAGE), within=SHORT)

    assert (caught.value, counted) == (error, tries)
