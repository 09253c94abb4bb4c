"""A receiver of webhooks on this machine, and a resolver of host names."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address

from ringback.notify.addresses import Address

_LIMIT_SECONDS = 30

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Request:
    """One received request."""

    line: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """Replies to every request with the same bytes.

    Attributes:
        port: Its port on 127.0.0.1.
        reply: The reply; `None` for no reply.
        got: The received requests.
        arrived: The same requests, as a queue.
    """

    port: int = 0
    reply: bytes | None = OK
    got: list[Request] = field(default_factory=list)
    arrived: asyncio.Queue[Request] = field(default_factory=asyncio.Queue)

    @property
    def url(self) -> str:
        """The URL of its webhooks."""
        return f"http://127.0.0.1:{self.port}/told?key=hush"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        request = Request(line, headers, body)
        self.got.append(request)
        self.arrived.put_nowait(request)
        if self.reply is None:
            await reader.read()
        else:
            writer.write(self.reply)
        writer.close()

    async def next(self) -> Request:
        """Wait for the next request."""
        async with asyncio.timeout(_LIMIT_SECONDS):
            return await self.arrived.get()


@asynccontextmanager
async def listening(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Run a receiver for the block."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        receiver.port = server.sockets[0].getsockname()[1]
        yield receiver


class Names:
    """Resolves known names, and records look-ups.

    Attributes:
        asked: The looked-up names, in order.
    """

    def __init__(self, **known: Sequence[str]) -> None:
        self.asked: list[str] = []
        self._known = known

    async def look_up(self, host: str, port: int) -> Sequence[Address]:  # noqa: ARG002 - as LookUp has it
        self.asked.append(host)
        return [ip_address(one) for one in self._known.get(host.partition(".")[0], [])]
