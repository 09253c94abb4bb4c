"""The bytes of simultaneous bodies are limited, separately for large and small ones."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from ringback.domain.operation_errors import TooManyBytesError
from ringback.gateway.body_budget import (
    BODY_BYTES,
    LONGEST_WAIT,
    MOST_WAITING,
    SMALL,
    BodyBudget,
    claim_bytes,
)
from tests.http_server import HEAD, LIMIT, Client, Server, body_of, post, running, turns_until

LARGE_BODIES = 6
"""How many bodies of 2 MiB the gateway reads at a time."""

DECLARED = HEAD + b"content-length: %d\r\n\r\n" % LIMIT
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n%x\r\n" % LIMIT
BRIEFLY = timedelta(milliseconds=20)
FOREVER = timedelta(hours=1)
"""No body is refused because it has waited so long."""


@asynccontextmanager
async def full(longest_wait: timedelta = LONGEST_WAIT) -> AsyncIterator[tuple[Server, Client]]:
    """Run a server without room for a large body; the client of the first one has sent its head."""
    async with running(longest_wait=longest_wait) as server:
        clients = [await server.connect() for _ in range(LARGE_BODIES)]
        for client in clients:
            await client.send_until_received(DECLARED)
        await turns_until(lambda: server.hooks.most_bytes == LARGE_BODIES * LIMIT)
        yield server, clients[0]


async def test_large_body_waits_until_another_one_is_done() -> None:
    async with full() as (server, first):
        client = await server.connect()
        client.send(post(body_of(LIMIT)))
        waits = asyncio.ensure_future(client.reply())
        small = await server.connect()
        small.send(post(b"1"))
        while_it_waits = await small.reply()
        is_waiting = not waits.done()
        first.send(body_of(LIMIT))
        first_reply, reply = await first.reply(), await waits

    assert while_it_waits.endswith(b"read 1")
    assert is_waiting
    assert first_reply.endswith(b"read %d" % LIMIT)
    assert reply.endswith(b"read %d" % LIMIT)
    assert server.hooks.limits == []
    assert server.hooks.most_bytes <= LARGE_BODIES * LIMIT + 1


@pytest.mark.parametrize("head", [DECLARED, CHUNKED + body_of(LIMIT // 2)])
async def test_large_body_without_room_gets_503_after_its_wait(
    head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with full(BRIEFLY) as (server, first):
        client = await server.connect()
        client.send(head)
        rejected = await client.reply()
        first.send(body_of(LIMIT))
        await first.reply()
        after = await server.connect()
        after.send(post(body_of(LIMIT)))
        fits_again = await after.reply()

    assert_rejected([rejected], caplog.text)
    assert fits_again.endswith(b"read %d" % LIMIT)
    assert server.hooks.limits == [BODY_BYTES]


async def test_only_so_many_large_bodies_wait(caplog: pytest.LogCaptureFixture) -> None:
    async with full(FOREVER) as (server, first):
        clients = [await server.connect() for _ in range(MOST_WAITING + 2)]
        for client in clients:
            client.send(DECLARED)
        waits = [asyncio.ensure_future(client.reply()) for client in clients]
        await turns_until(lambda: sum(one.done() for one in waits) >= 2)
        rejected = [one.result() for one in waits if one.done()]
        small = await server.connect()
        small.send(post(b"1"))
        served = await small.reply()
        server.hang_up()
        await asyncio.gather(*waits, return_exceptions=True)
        after = await server.connect()
        after.send(post(body_of(LIMIT)))
        fits_again = await after.reply()

    assert_rejected(rejected, caplog.text)
    assert first is not None
    assert served.endswith(b"read 1")
    assert fits_again.endswith(b"read %d" % LIMIT)


async def test_small_body_without_room_is_refused_at_once() -> None:
    held: list[int] = []
    ends = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await claim_bytes(Request(scope, receive, send), SMALL)
        held.append(SMALL)
        await ends.wait()

    async def unused(*_: object) -> Any:
        raise NotImplementedError

    budget = BodyBudget(app, largest=LIMIT, longest_wait=FOREVER)
    fits = 16 * 1024 * 1024 // SMALL
    async with asyncio.TaskGroup() as group:
        for _ in range(fits):
            group.create_task(budget({"type": "http"}, unused, unused))
        await turns_until(lambda: len(held) == fits)
        with pytest.raises(TooManyBytesError):
            await budget({"type": "http"}, unused, unused)
        ends.set()

    assert budget.bytes_in_flight == 0


async def test_bodies_of_any_form_leave_no_bytes_behind() -> None:
    async with running() as server:
        for sent in [post(body_of(LIMIT)), CHUNKED + body_of(LIMIT) + b"\r\n0\r\n\r\n"]:
            clients = [await server.connect() for _ in range(2 * LARGE_BODIES)]
            for client in clients:
                client.send(sent)
            replies = await asyncio.gather(*(client.reply() for client in clients))
            assert all(one.endswith(b"read %d" % LIMIT) for one in replies)
        clients = [await server.connect() for _ in range(LARGE_BODIES)]
        server.may_reply.clear()
        for client in clients:
            client.send(post(body_of(LIMIT)))
        await turns_until(lambda: server.begun == 5 * LARGE_BODIES)

    assert server.hooks.limits == []


async def test_sender_that_closes_after_its_reply_reads_a_refusal_of_its_body() -> None:
    """The system would reset a connection that is closed while its sender still sends."""
    async with running() as server:
        client = await server.connect()
        head = b"POST /unread HTTP/1.1\r\nhost: one\r\nconnection: close\r\n"
        client.send(head + b"content-length: %d\r\n\r\n" % LIMIT)
        reply = await client.reply()
        is_open = client.is_open
        client.send(body_of(LIMIT))
        rest = await client.rest()

    assert reply.endswith(b"not read")
    assert is_open
    assert rest == b""


def assert_rejected(replies: Sequence[bytes], log: str) -> None:
    assert all(one.startswith(b"HTTP/1.1 503 ") for one in replies)
    assert all(b"retry-after: 2\r\n" in one for one in replies)
    assert log.count("too many bytes arrive: large bodies") == 1
