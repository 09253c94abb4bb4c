"""A real HTTP server whose replies a test holds back, and its clients, byte by byte."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ringback.app.limited_http import HttpLimits
from ringback.app.web import bound_socket, served
from ringback.domain.errors import RingbackError
from ringback.gateway.body import read_json
from ringback.gateway.body_budget import BodyBudget
from ringback.gateway.replies import on_ringback_error

SHORT = HttpLimits(request=timedelta(seconds=0.3), keep_alive=timedelta(seconds=5))
LIMIT = 2 * 1024 * 1024
HUGE = 16 * 1024 * 1024
HEAD = b"POST /c/k1.abc HTTP/1.1\r\nhost: gateway.example\r\n"


class Client:
    """One connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def reply(self) -> bytes:
        """Return the next reply, head and body."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            return head + await self.reader.readexactly(int(length or 0))

    async def rest(self) -> bytes:
        """Return all that comes until the server closes the connection."""
        async with asyncio.timeout(10):
            return await self.reader.read()


class Server:
    """A server whose replies the test holds back."""

    def __init__(self) -> None:
        self.port = 0
        self._clients: list[Client] = []
        self.may_reply = asyncio.Event()
        self.may_reply.set()
        self.has_begun = asyncio.Event()

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/c/{link}", self.take, methods=["POST"]),
                Route("/", self.take, methods=["GET"]),
                Route("/unread", self.refuse, methods=["POST"]),
                Route("/huge", self.huge),
            ],
            middleware=[Middleware(BodyBudget, largest=LIMIT)],
            exception_handlers={RingbackError: on_ringback_error},
        )

    async def take(self, request: Request) -> Response:
        body = await read_json(request, limit=LIMIT)
        self.has_begun.set()
        await self.may_reply.wait()
        return PlainTextResponse(f"read {len(body or b'')}")

    async def refuse(self, _: Request) -> Response:
        return PlainTextResponse("not read")

    async def huge(self, _: Request) -> Response:
        return Response(bytes(HUGE))

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self._clients.append(client)
        return client

    def hang_up(self) -> None:
        """Close all connections."""
        for client in self._clients:
            client.writer.transport.abort()


@asynccontextmanager
async def running(limits: HttpLimits = SHORT) -> AsyncIterator[Server]:
    server, listening = Server(), bound_socket("127.0.0.1", 0)
    server.port = listening.getsockname()[1]
    async with served(server.app(), listening, limits=limits):
        try:
            yield server
        finally:
            server.may_reply.set()
            server.hang_up()


def body_of(size: int) -> bytes:
    return b'"' + b"a" * (size - 2) + b'"'


def post(body: bytes) -> bytes:
    return HEAD + b"content-length: %d\r\n\r\n" % len(body) + body


async def drip(client: Client, drop: bytes) -> bytes:
    """Send a drop again and again until the server ends the connection; return its last words."""
    last = asyncio.ensure_future(client.rest())
    while True:
        await asyncio.wait([last], timeout=0.05)
        if last.done():
            return last.result()
        client.send(drop)
