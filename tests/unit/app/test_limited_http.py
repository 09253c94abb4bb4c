"""Limits for slow, silent, many and wrong clients, over a real socket."""

import logging
import resource
import socket
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from ringback.app.connections import ADDRESS_CONNECTIONS, CONNECTIONS, HttpLimits
from ringback.app.limited_http import SLOW_REQUESTS
from tests.http_server import (
    HEAD,
    HUGE,
    KEEP_ALIVE,
    LIMITS,
    REQUEST,
    Client,
    Server,
    drip,
    post,
    running,
    turns_until,
)

MOMENT = timedelta(seconds=0.01)
UPGRADE = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAM\r\n"
MALFORMED = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: one\r\nhost: two\r\n\r\n",
    b"GET / HTTP/1.0\r\nhost: one\r\nhost: two\r\n\r\n",
    HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\n12",
    HEAD + b"content-length: 1\r\ncontent-length: 1\r\n\r\n1",
    HEAD + b"content-length: 1, 1\r\n\r\n1",
    HEAD + b"content-length: +1\r\n\r\n1",
    HEAD + b"content-length: 0x1\r\n\r\n1",
    HEAD + b"content-length: -1\r\n\r\n1",
    HEAD + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"transfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n0\r\n\r\n",
    HEAD + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    HEAD + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    HEAD + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"transfer-encoding: chunked\r\n\r\n1\n1\r\n0\r\n\r\n",
    HEAD + b"transfer-encoding: chunked\r\n\r\n-1\r\n1\r\n0\r\n\r\n",
    HEAD + b" folded: line\r\n\r\n",
    HEAD + b"a\x00b: 1\r\n\r\n",
    HEAD + b"a: 1\rb: 2\r\n\r\n",
    b"GET /a b HTTP/1.1\r\nhost: one\r\n\r\n",
]


async def rest_after(server: Server, client: Client, limit: timedelta) -> bytes:
    """Check that the server ends the connection at `limit` and no sooner; return the rest."""
    server.loop.pass_time(limit - MOMENT)
    assert client.is_open
    server.loop.pass_time(MOMENT)
    return await client.rest()


@pytest.mark.parametrize(
    "sent",
    [
        HEAD,
        HEAD[:5],
        HEAD + b"content-length: 100\r\n\r\n",
        HEAD + b"content-length: 100\r\n\r\n" + b"1" * 50,
        HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\n11\r\n",
    ],
)
@pytest.mark.parametrize("before", [b"", post(b"1")])
async def test_incomplete_request_gets_408(sent: bytes, before: bytes) -> None:
    async with running() as server:
        client = await server.connect()
        if before:
            client.send(before)
            await client.reply()
        await client.send_until_received(sent)
        reply = await rest_after(server, client, REQUEST)

    assert reply.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"application/problem+json" in reply
    assert b"urn:ringback:request-timeout" in reply


@pytest.mark.parametrize("drop", [b"x", b"x-a: 1\r\n"])
async def test_head_that_arrives_in_drops_gets_408(drop: bytes) -> None:
    async with running() as server:
        client = await server.connect()
        await client.send_until_received(HEAD)
        took = await drip(server, client, drop)
        reply = await client.rest()

    assert reply.startswith(b"HTTP/1.1 408 ")
    assert took == REQUEST


async def test_body_that_arrives_in_drops_gets_408() -> None:
    async with running() as server:
        client = await server.connect()
        await client.send_until_received(HEAD + b"content-length: 1000000\r\n\r\n")
        took = await drip(server, client, b"1")
        reply = await client.rest()

    assert reply.startswith(b"HTTP/1.1 408 ")
    assert took == REQUEST


async def test_connection_without_a_request_is_closed_without_a_reply() -> None:
    async with running() as server:
        client = await server.connect()
        reply = await rest_after(server, client, REQUEST)

    assert reply == b""


async def test_connection_with_only_empty_lines_is_closed_without_a_reply() -> None:
    async with running() as server:
        client = await server.connect()
        took = await drip(server, client, b"\r\n")
        reply = await client.rest()

    assert reply == b""
    assert took == REQUEST


async def test_unread_body_does_not_keep_the_connection() -> None:
    async with running() as server:
        client = await server.connect()
        client.send(b"POST /unread HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n")
        reply = await client.reply()
        took = await drip(server, client, b"1")
        rest = await client.rest()

    assert reply.endswith(b"not read")
    assert rest == b""
    assert took <= KEEP_ALIVE


async def test_request_that_has_arrived_may_wait_longer_than_it_may_take_to_arrive() -> None:
    async with running() as server:
        server.may_reply.clear()
        client = await server.connect()
        await client.send_until_received(post(b"1") + HEAD)
        await server.has_begun.wait()
        server.loop.pass_time(10 * REQUEST)
        is_open = client.is_open
        server.may_reply.set()
        reply = await client.reply()
        server.loop.pass_time(REQUEST)
        rest = await client.rest()

    assert is_open
    assert reply.endswith(b"read 1")
    assert rest.startswith(b"HTTP/1.1 408 ")


async def test_client_that_does_not_read_its_reply_is_cut_off() -> None:
    async with running() as server:
        client = await server.connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # - a transport that reads
        client.send(b"GET /huge HTTP/1.1\r\nhost: a\r\n\r\n")
        await client.until_server_waits()
        server.loop.pass_time(REQUEST)
        is_open = client.is_open
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]  # - as above
        reply = await client.rest()

    assert not is_open
    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(reply) < HUGE


async def test_idle_connection_is_closed_after_keep_alive() -> None:
    async with running() as server:
        client = await server.connect()
        client.send(post(b"1"))
        await client.reply()
        server.loop.pass_time(KEEP_ALIVE - MOMENT)
        client.send(post(b"1"))
        again = await client.reply()
        rest = await rest_after(server, client, KEEP_ALIVE)

    assert again.endswith(b"read 1")
    assert rest == b""


@pytest.mark.parametrize("sent", MALFORMED)
async def test_request_that_can_be_read_in_two_ways_gets_400(sent: bytes) -> None:
    async with running() as server:
        client = await server.connect()
        client.send(sent)
        reply = await client.rest()

    assert reply.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert reply.count(b"HTTP/1.1 ") == 1


async def test_body_of_a_request_to_upgrade_is_rejected_and_not_lost() -> None:
    async with running() as server:
        client = await server.connect()
        client.send(HEAD + UPGRADE + b"content-length: 1\r\n\r\n1")
        reply = await client.rest()

    assert reply.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"use HTTP/1.1" in reply
    assert reply.count(b"HTTP/1.1 4") == 1


async def test_request_to_upgrade_without_a_body_is_served_and_is_the_last() -> None:
    async with running() as server:
        client = await server.connect()
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n" + UPGRADE + b"\r\n")
        reply = await client.rest()

    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close\r\n" in reply


async def test_every_reply_has_nosniff() -> None:
    async with running() as server:
        replies = []
        for sent in (post(b"1"), post(b"no"), b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n"):
            client = await server.connect()
            client.send(sent)
            replies.append(await client.reply())
        for sent in (MALFORMED[0], HEAD):
            client = await server.connect()
            await client.send_until_received(sent)
            server.loop.pass_time(REQUEST)
            replies.append(await client.rest())

    assert [one[9:12] for one in replies] == [b"200", b"400", b"404", b"400", b"408"]
    assert all(b"x-content-type-options: nosniff\r\n" in one for one in replies)


async def test_connections_beyond_the_descriptor_limit_get_503_and_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.socket() as lowest:
        used = lowest.fileno()
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    caplog.set_level(logging.WARNING)
    async with running(HttpLimits(reserved_descriptors=limit - used - 20)) as server:
        clients = [await server.connect() for _ in range(30)]
        clients[0].send(post(b"1"))
        kept = await clients[0].reply()
        rejected = [await client.rest() for client in clients[-3:]]

    assert kept.endswith(b"read 1")
    assert all(one.startswith(b"HTTP/1.1 503 ") for one in rejected)
    assert all(b"retry-after: 2\r\n" in one for one in rejected)
    (line,) = [one.getMessage() for one in caplog.records if "descriptors" in one.getMessage()]
    assert f"of {limit} are in use, so new connections get 503" in line


def test_descriptor_limit_is_raised_to_what_is_allowed() -> None:
    code = (
        "import resource; from ringback.app.connections import raise_descriptor_limit;"
        " _, hard = resource.getrlimit(resource.RLIMIT_NOFILE);"
        " resource.setrlimit(resource.RLIMIT_NOFILE, (200, min(hard, 4000)));"
        " raise_descriptor_limit(); print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    ran = subprocess.run(  # noqa: S603 - the code above
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )

    soft, hard = ran.stdout.split()
    assert soft == hard


async def test_body_that_arrives_too_slowly_is_cut_off_before_its_total_time() -> None:
    within = timedelta(seconds=10)
    limits = replace(LIMITS, least_bytes=300, least_bytes_within=within)
    async with running(limits) as server:
        fast, slow = await server.connect(), await server.connect()
        head = HEAD + b"content-length: 100000\r\n\r\n"
        await fast.send_until_received(head)
        await slow.send_until_received(head)
        for _ in range(9):
            await fast.send_until_received(b"1" * 40)
            await slow.send_until_received(b"1" * 10)
            server.loop.pass_time(timedelta(seconds=1))
        await fast.send_until_received(b"1" * 40)
        server.loop.pass_time(timedelta(seconds=1))
        reply = await slow.rest()
        fast_is_open = fast.is_open

    assert reply.startswith(b"HTTP/1.1 408 ")
    assert fast_is_open
    assert server.hooks.limits == [SLOW_REQUESTS]


async def test_new_connection_takes_the_place_of_the_longest_idle_one() -> None:
    async with running(replace(LIMITS, most_connections=3)) as server:
        busy, first, second = [await server.connect() for _ in range(3)]
        for client in (first, second):
            client.send(post(b"1"))
            await client.reply()
        server.may_reply.clear()
        await busy.send_until_received(post(b"1"))
        newest = await server.connect()
        closed = await first.rest()
        await newest.send_until_received(post(b"2"))
        server.may_reply.set()
        replies = [await client.reply() for client in (busy, newest)]
        second_is_open = second.is_open

    assert closed == b""
    assert [one[-6:] for one in replies] == [b"read 1"] * 2
    assert second_is_open
    assert server.hooks.limits == []


async def test_connection_beyond_the_limit_gets_503_while_none_is_idle(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(replace(LIMITS, most_connections=2)) as server:
        clients = [await server.connect() for _ in range(2)]
        reply = await (await server.connect()).rest()
        await (await server.connect()).rest()
        server.hang_up()
        await turns_until(lambda: not any(client.is_open for client in clients))
        after = await server.connect()
        after.send(post(b"1"))
        served = await after.reply()

    assert reply.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 2\r\n" in reply
    assert served.endswith(b"read 1")
    assert server.hooks.limits == [CONNECTIONS] * 2
    assert caplog.text.count("RINGBACK_MOST_CONNECTIONS") == 1


async def test_one_address_has_a_limit_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    limits = replace(LIMITS, most_connections=9, most_connections_per_address=1)
    async with running(limits) as server:
        first = await server.connect()
        reply = await (await server.connect()).rest()
        first.send(post(b"1"))
        served = await first.reply()

    assert reply.startswith(b"HTTP/1.1 503 ")
    assert served.endswith(b"read 1")
    assert server.hooks.limits == [ADDRESS_CONNECTIONS]
    assert "RINGBACK_MOST_CONNECTIONS_PER_ADDRESS" in caplog.text
