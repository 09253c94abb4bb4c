"""No request waits longer than its time, not even for a connection."""

import asyncio
from datetime import timedelta

import pytest

from ringback.temporal.request import in_time

SHORT = timedelta(milliseconds=10)


async def test_a_request_is_told_for_how_long_it_may_wait() -> None:
    async def call(request: str, *, timeout: timedelta) -> tuple[str, timedelta]:  # noqa: ASYNC109 - the SDK's
        return request, timeout

    assert await in_time(call, "describe", within=SHORT) == ("describe", SHORT)


async def test_one_that_cannot_even_connect_in_time_is_given_up() -> None:
    async def call(*, timeout: timedelta) -> None:  # noqa: ARG001, ASYNC109 - the SDK's
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="no connection in time"):
        await in_time(call, within=SHORT)
