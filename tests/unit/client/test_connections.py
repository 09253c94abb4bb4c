"""Connections to a gateway, against real sockets."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
import uvloop

from ringback.app.web import free_ports
from ringback.client.connections import MOST_CONNECTIONS, Connections
from tests.certificates import certificate, server_context
from tests.loops import idle

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class Peer:
    """A server that sends each of its replies once; `None` closes the connection instead.

    Attributes:
        replies: What is left to send; the last one is repeated.
        got: The received requests, whole.
        arrived: The same requests, as a queue.
        writers: The accepted connections.
        may_reply: Replies wait for this.
        closes: Whether each reply is the last on its connection.
        lost: Set once a connection has ended.
    """

    replies: list[bytes | None]
    port: int = 0
    got: list[bytes] = field(default_factory=list)
    arrived: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    may_reply: asyncio.Event = field(default_factory=asyncio.Event)
    closes: bool = False
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def connections(self) -> int:
        return len(self.writers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                self.got.append(head + await reader.readexactly(int(length or 0)))
                self.arrived.put_nowait(self.got[-1])
                await self.may_reply.wait()
                reply = self.replies[0] if len(self.replies) == 1 else self.replies.pop(0)
                if reply is None:
                    break
                writer.write(reply)
                if self.closes:
                    break
        self.lost.set()
        writer.close()


@asynccontextmanager
async def listening(
    *replies: bytes | None,
    tls: ssl.SSLContext | None = None,
    waits: bool = False,
    closes: bool = False,
) -> AsyncIterator[Peer]:
    peer = Peer(list(replies), closes=closes)
    if not waits:
        peer.may_reply.set()
    async with await asyncio.start_server(peer.serve, "127.0.0.1", 0, ssl=tls) as server:
        peer.port = server.sockets[0].getsockname()[1]
        yield peer
        peer.may_reply.set()
        for writer in peer.writers:
            writer.transport.abort()


@asynccontextmanager
async def opened(tls: ssl.SSLContext | None = None, **options: float) -> AsyncIterator[Connections]:
    connections = Connections(tls=tls, **options)
    yield connections
    await connections.aclose()


def request_to(
    port: int, content: bytes | None = b"{}", *, url: str = "http://127.0.0.1", within: float = 30
) -> httpx2.Request:
    extensions = {"timeout": within}
    return httpx2.Request("POST", f"{url}:{port}/v1/a?b=1", content=content, extensions=extensions)


async def contents(connections: Connections, port: int, count: int) -> Sequence[bytes]:
    replies = [await connections.handle_async_request(request_to(port)) for _ in range(count)]
    return [reply.content for reply in replies]


@pytest.mark.parametrize(
    ("sent", "status", "content"),
    [
        (OK, 200, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
            200,
            b"ok",
        ),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", 404, b""),
    ],
)
async def test_reply_is_whole_and_its_connection_is_reused(
    sent: bytes, status: int, content: bytes
) -> None:
    async with listening(sent) as peer, opened() as connections:
        replies = [await connections.handle_async_request(request_to(peer.port)) for _ in range(2)]

    assert [(one.status_code, one.content) for one in replies] == [(status, content)] * 2
    assert peer.connections == 1


async def test_request_has_its_path_query_headers_and_body() -> None:
    async with listening(OK) as peer, opened() as connections:
        for content in (b'{"n": 1.10}', None):
            await connections.handle_async_request(request_to(peer.port, content))

    host = f"Host: 127.0.0.1:{peer.port}".encode()
    start = b"POST /v1/a?b=1 HTTP/1.1\r\n" + host
    assert peer.got == [
        start + b'\r\nContent-Length: 11\r\n\r\n{"n": 1.10}',
        start + b"\r\nContent-Length: 0\r\n\r\n",
    ]


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        # A proxy's last words about an idle connection.
        OK + b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n",
    ],
)
async def test_connection_that_cannot_take_another_request_is_not_reused(sent: bytes) -> None:
    async with listening(sent) as peer, opened() as connections:
        found = await contents(connections, peer.port, 2)

    assert (found, peer.connections) == ([b"ok", b"ok"], 2)


async def test_reply_may_end_with_its_connection() -> None:
    without_length = b"HTTP/1.1 200 OK\r\n\r\nok"
    async with listening(without_length, closes=True) as peer, opened() as connections:
        found = await contents(connections, peer.port, 2)

    assert (found, peer.connections) == ([b"ok", b"ok"], 2)


async def test_idle_connection_expires() -> None:
    async with listening(OK) as peer, opened(idle_seconds=0) as connections:
        await contents(connections, peer.port, 3)

    assert peer.connections == 3


async def test_request_is_sent_again_if_a_kept_connection_was_closed() -> None:
    async with listening(OK, None, OK) as peer, opened() as connections:
        found = await contents(connections, peer.port, 2)

    assert (found, len(peer.got), peer.connections) == ([b"ok", b"ok"], 3, 2)


async def test_connection_that_was_closed_while_idle_is_not_used() -> None:
    async with listening(OK) as peer, opened() as connections:
        await contents(connections, peer.port, 1)
        peer.writers[0].close()
        await idle()
        await contents(connections, peer.port, 1)

    assert (len(peer.got), peer.connections) == (2, 2)


async def test_new_connection_that_closes_without_a_reply_fails() -> None:
    async with listening(None) as peer, opened() as connections:
        with pytest.raises(httpx2.NetworkError, match="closed the connection"):
            await connections.handle_async_request(request_to(peer.port))

    assert len(peer.got) == 1


@pytest.mark.parametrize("sent", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 2 x\r\n\r\n"])
async def test_reply_of_another_protocol_fails(sent: bytes) -> None:
    async with listening(sent) as peer, opened() as connections:
        with pytest.raises(httpx2.RemoteProtocolError):
            await connections.handle_async_request(request_to(peer.port))


async def test_reply_that_is_cut_off_fails() -> None:
    async with listening(OK[:-1], closes=True) as peer, opened() as connections:
        with pytest.raises(httpx2.RemoteProtocolError, match="without sending complete"):
            await connections.handle_async_request(request_to(peer.port))


async def test_late_reply_fails_and_its_connection_is_closed() -> None:
    async with listening(OK, waits=True) as peer, opened() as connections:
        with pytest.raises(httpx2.TimeoutException, match=r"no reply within 0\.01 seconds"):
            await connections.handle_async_request(request_to(peer.port, within=0.01))
        peer.may_reply.set()
        found = await contents(connections, peer.port, 1)

    assert (found, peer.connections) == ([b"ok"], 2)


async def test_canceled_request_closes_its_connection() -> None:
    async with listening(OK, waits=True) as peer, opened() as connections:
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(connections.handle_async_request(request_to(peer.port)))
            await peer.arrived.get()
            asked.cancel()
        peer.may_reply.set()
        await peer.lost.wait()
        await contents(connections, peer.port, 1)

    assert (asked.cancelled(), peer.connections) == (True, 2)


async def test_requests_beyond_the_limit_wait_for_a_connection() -> None:
    async with (
        listening(OK, waits=True) as peer,
        opened() as connections,
        asyncio.TaskGroup() as group,
    ):
        tasks = [
            group.create_task(connections.handle_async_request(request_to(peer.port)))
            for _ in range(MOST_CONNECTIONS + 10)
        ]
        for _ in range(MOST_CONNECTIONS):
            await peer.arrived.get()
        await idle()
        assert len(peer.got) == MOST_CONNECTIONS
        peer.may_reply.set()
        await asyncio.wait(tasks)

    assert [task.result().content for task in tasks] == [b"ok"] * len(tasks)
    assert peer.connections == MOST_CONNECTIONS


@pytest.mark.parametrize("url", ["http://127.0.0.1", "http://unknown.invalid"])
async def test_server_that_cannot_be_reached_is_a_network_error(url: str) -> None:
    (port,) = free_ports(1)

    async with opened() as connections:
        with pytest.raises(httpx2.NetworkError, match=r"\w"):
            await connections.handle_async_request(request_to(port, url=url))


@pytest.mark.parametrize("name", ["localhost", "other.example"])
async def test_tls_verifies_the_name_of_the_server(tmp_path: Path, name: str) -> None:
    pem = certificate(tmp_path, name)
    trust = ssl.create_default_context(cafile=pem)

    async with listening(OK, tls=server_context(pem)) as peer, opened(trust) as connections:
        request = request_to(peer.port, url="https://localhost")
        if name == "localhost":
            reply = await connections.handle_async_request(request)
            assert reply.content == b"ok"
        else:
            with pytest.raises(httpx2.NetworkError, match="certificate"):
                await connections.handle_async_request(request)

    assert len(peer.got) == (name == "localhost")


def test_requests_work_on_uvloop() -> None:
    async def requests() -> Sequence[bytes]:
        async with listening(OK, None, OK) as peer, opened() as connections:
            return await contents(connections, peer.port, 2)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(requests()) == [b"ok", b"ok"]
