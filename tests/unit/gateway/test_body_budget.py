"""Bodies that arrive at the same time are bounded, for large and small ones apart."""

import asyncio

import pytest

from ringback.app.limited_http import HttpLimits
from tests.http_server import HEAD, LIMIT, body_of, post, running

LARGE_BODIES = 32
"""How many bodies of 2 MiB the gateway accepts at a time."""


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_large_bodies_beyond_the_bound_get_503_and_small_ones_do_not(
    is_chunked: bool,  # noqa: FBT001 - a parameter of the test
    caplog: pytest.LogCaptureFixture,
) -> None:
    large = body_of(LIMIT)
    chunked = HEAD + b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (LIMIT, large)
    async with running(HttpLimits()) as server:
        server.may_reply.clear()
        clients = [await server.connect() for _ in range(LARGE_BODIES + 2)]
        for client in clients:
            client.send(chunked if is_chunked else post(large))
        waits = [asyncio.ensure_future(client.reply()) for client in clients]
        async with asyncio.timeout(20):
            while sum(one.done() for one in waits) < 2:
                await asyncio.wait(
                    [one for one in waits if not one.done()],
                    return_when=asyncio.FIRST_COMPLETED,
                )
        rejected = [one.result() for one in waits if one.done()]
        small = await server.connect()
        small.send(post(b"1"))
        server.may_reply.set()
        accepted = [await one for one in waits if one.result is not None]
        after = await server.connect()
        after.send(post(large))

        assert (await small.reply()).endswith(b"read 1")
        assert (await after.reply()).endswith(b"read %d" % LIMIT)
    assert len(rejected) == 2
    assert all(one.startswith(b"HTTP/1.1 503 ") for one in rejected)
    assert all(b"retry-after: 2\r\n" in one for one in rejected)
    assert sum(one.endswith(b"read %d" % LIMIT) for one in accepted) == LARGE_BODIES
    assert caplog.text.count("large bodies that are not committed use ") == 1
