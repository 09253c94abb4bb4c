"""A reply's head and body go out together; a head whose body is late goes out alone."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from ringback.app.one_write import OneWriteProtocol
from tests.loops import idle

REQUEST = b"GET / HTTP/1.1\r\nhost: gateway.example\r\n\r\n"
HEAD = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]}
BODY = {"type": "http.response.body", "body": b"done"}
CLOSED = b"closed"


class Wire(asyncio.Transport):
    """Keeps what was written to it, each write apart."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self._more = asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))
        self._more.set()

    def close(self) -> None:
        self.written.append(CLOSED)

    def pause_reading(self) -> None:
        """Read no more: the test decides what is read."""

    def resume_reading(self) -> None:
        """Read on."""

    def is_closing(self) -> bool:
        return CLOSED in self.written

    async def next_write(self) -> bytes:
        self._more.clear()
        await self._more.wait()
        return self.written[-1]


@contextmanager
def speaking(app: ASGIApp, wire: Wire) -> Iterator[OneWriteProtocol]:
    config = uvicorn.Config(app, lifespan="off", access_log=False, log_config=None)
    protocol = OneWriteProtocol(config, ServerState(), {})
    protocol.connection_made(wire)
    try:
        yield protocol
    finally:
        protocol.connection_lost(None)


async def reply(_: Scope, __: Receive, send: Send) -> None:
    await send(HEAD)
    await send(BODY)


async def test_head_and_body_are_one_write() -> None:
    wire = Wire()
    with speaking(reply, wire) as protocol:
        for _ in range(2):
            protocol.data_received(REQUEST)
            written = await wire.next_write()

            assert written.startswith(b"HTTP/1.1 200 OK\r\n")
            assert written.endswith(b"\r\n\r\ndone")
        assert len(wire.written) == 2


async def test_replies_to_requests_that_came_at_once_come_in_their_order() -> None:
    wire = Wire()
    async with asyncio.timeout(10):
        with speaking(reply, wire) as protocol:
            protocol.data_received(REQUEST + REQUEST)
            while len(wire.written) < 2:
                await wire.next_write()

            assert [one.count(b"done") for one in wire.written] == [1, 1]


async def test_a_head_does_not_wait_for_a_body_that_is_late() -> None:
    may_go_on = asyncio.Event()

    async def late(_: Scope, __: Receive, send: Send) -> None:
        await send(HEAD)
        await may_go_on.wait()
        await send(BODY)

    wire = Wire()
    async with asyncio.timeout(10):
        with speaking(late, wire) as protocol:
            protocol.data_received(REQUEST)
            head = await wire.next_write()
            may_go_on.set()
            body = await wire.next_write()

    assert head.endswith(b"\r\n\r\n")
    assert body == b"done"


async def test_a_head_is_not_written_to_who_has_gone() -> None:
    may_end = asyncio.Event()

    async def alone(_: Scope, __: Receive, send: Send) -> None:
        await send(HEAD)
        wire.close()
        await may_end.wait()

    wire = Wire()
    with speaking(alone, wire) as protocol:
        protocol.data_received(REQUEST)
        await idle()

        assert wire.written == [CLOSED]
    may_end.set()
    await idle()


async def test_what_was_written_goes_out_before_the_connection_closes() -> None:
    wire = Wire()
    with speaking(reply, wire) as protocol:
        protocol.data_received(b"no request\r\n\r\n")

        refusal, closed = wire.written
        assert refusal.startswith(b"HTTP/1.1 400 ")
        assert closed == CLOSED
