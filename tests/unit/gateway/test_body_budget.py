"""The bytes of simultaneous bodies are limited, separately for large and small ones."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.http_server import HEAD, LIMIT, body_of, post, running, turns_until

LARGE_BODIES = 32
"""How many bodies of 2 MiB the gateway accepts at a time."""

DECLARED = HEAD + b"content-length: %d\r\n\r\n" % LIMIT
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n%x\r\n" % LIMIT


async def test_large_bodies_declared_beyond_the_limit_get_503(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running() as server:
        clients = [await server.connect() for _ in range(LARGE_BODIES + 2)]
        for client in clients:
            await client.send_until_received(DECLARED)
        waits = [asyncio.ensure_future(client.reply()) for client in clients]
        await turns_until(lambda: sum(one.done() for one in waits) >= 2)
        rejected = [one.result() for one in waits if one.done()]
        small = await server.connect()
        small.send(post(b"1"))
        served = await small.reply()
        server.hang_up()
        await asyncio.gather(*waits, return_exceptions=True)
        await turns_until(lambda: not any(client.is_open for client in clients))
        after = await server.connect()
        after.send(post(body_of(LIMIT)))
        fits_again = await after.reply()

    assert_rejected(rejected, caplog.text)
    assert served.endswith(b"read 1")
    assert fits_again.endswith(b"read %d" % LIMIT)


async def test_large_bodies_that_arrive_beyond_the_limit_get_503(
    caplog: pytest.LogCaptureFixture,
) -> None:
    large = body_of(LIMIT)
    async with running() as server:
        server.may_reply.clear()
        clients = [await server.connect() for _ in range(LARGE_BODIES + 2)]
        for client in clients:
            client.send(CHUNKED + large + b"\r\n0\r\n\r\n")
        waits = [asyncio.ensure_future(client.reply()) for client in clients]
        await turns_until(lambda: sum(one.done() for one in waits) >= 2)
        rejected = [one for one in waits if one.done()]
        server.may_reply.set()
        accepted = [await one for one in waits if one not in rejected]
        after = await server.connect()
        after.send(post(large))
        fits_again = await after.reply()

    assert_rejected([one.result() for one in rejected], caplog.text)
    assert [one.endswith(b"read %d" % LIMIT) for one in accepted] == [True] * LARGE_BODIES
    assert fits_again.endswith(b"read %d" % LIMIT)


def assert_rejected(replies: Sequence[bytes], log: str) -> None:
    assert len(replies) == 2
    assert all(one.startswith(b"HTTP/1.1 503 ") for one in replies)
    assert all(b"retry-after: 2\r\n" in one for one in replies)
    assert log.count("large bodies that are not committed use ") == 1
