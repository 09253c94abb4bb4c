"""No request takes longer than its timeout, connecting included."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

from ringback.temporal.rpc import in_time, to_request

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
