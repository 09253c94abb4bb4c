"""A real HTTP server whose replies and timers a test controls, and clients that send bytes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ringback.app.connections import HttpLimits
from ringback.app.limited_http import LimitedHttpProtocol
from ringback.app.web import bound_socket, served
from ringback.core.hooks import Hooks
from ringback.domain.errors import RingbackError
from ringback.gateway.body import read_json
from ringback.gateway.body_budget import LONGEST_WAIT, BodyBudget
from ringback.gateway.replies import on_ringback_error

REQUEST = timedelta(seconds=30)
KEEP_ALIVE = timedelta(seconds=75)
LIMITS = HttpLimits(request=REQUEST, keep_alive=KEEP_ALIVE, least_bytes=0)
LIMIT = 2 * 1024 * 1024
HUGE = 16 * 1024 * 1024
HEAD = b"POST /c/k1.abc HTTP/1.1\r\nhost: gateway.example\r\n"


@dataclass
class _Timer:
    due: timedelta
    callback: Callable[[], object]
    is_canceled: bool = False

    def cancel(self) -> None:
        self.is_canceled = True


class ManualLoop:
    """The running event loop, except that its timers run when the test lets time pass."""

    def __init__(self) -> None:
        # Not a float: durations must add up exactly.
        self._now = timedelta(0)
        self._timers: list[_Timer] = []

    def call_later(self, delay: float, callback: Callable[..., object], *given: Any) -> _Timer:
        timer = _Timer(self._now + timedelta(seconds=delay), lambda: callback(*given))
        self._timers.append(timer)
        return timer

    def pass_time(self, time: timedelta) -> None:
        """Run the timers that become due within `time`, in their order."""
        end = self._now + time
        while due := [one for one in self._timers if not one.is_canceled and one.due <= end]:
            timer = min(due, key=lambda one: one.due)
            self._timers.remove(timer)
            self._now = timer.due
            timer.callback()
        self._now = end

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio.get_running_loop(), name)


class _Protocol(LimitedHttpProtocol):
    """The gateway's protocol on a manual loop; it counts received bytes."""

    received = 0
    has_paused = False

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.received += len(data)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.has_paused = True


class Client:
    """One connection to the server."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served_by: _Protocol
    ) -> None:
        self.reader = reader
        self.writer = writer
        self._served_by = served_by

    @property
    def is_open(self) -> bool:
        """Whether the server has not closed the connection."""
        return not self._served_by.transport.is_closing()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def send_until_received(self, data: bytes) -> None:
        """Send `data`, and return once the server has received it."""
        expected = self._served_by.received + len(data)
        self.send(data)
        await turns_until(lambda: self._served_by.received >= expected)

    async def until_server_waits(self) -> None:
        """Return once the server waits for this client to read."""
        await turns_until(lambda: self._served_by.has_paused)

    async def reply(self) -> bytes:
        """Return the next reply, head and body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return head + await self.reader.readexactly(int(length or 0))

    async def rest(self) -> bytes:
        """Return everything received until the server closes the connection."""
        return await self.reader.read()


class RecordedLimits(Hooks):
    """Records the limits that were reached, and the most bytes in flight."""

    def __init__(self) -> None:
        self.limits: list[str] = []
        self.most_bytes = 0

    def limit_reached(self, limit: str) -> None:
        self.limits.append(limit)

    def body_bytes_changed(self, in_flight: int) -> None:
        self.most_bytes = max(self.most_bytes, in_flight)


class Server:
    """A server whose replies and timers the test controls."""

    def __init__(self, longest_wait: timedelta = LONGEST_WAIT) -> None:
        self.port = 0
        self.longest_wait = longest_wait
        self.hooks = RecordedLimits()
        self.loop = ManualLoop()
        self.may_reply = asyncio.Event()
        self.may_reply.set()
        self.has_begun = asyncio.Event()
        self.begun = 0
        self._clients: list[Client] = []
        self._served: dict[int, _Protocol] = {}

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/c/{link}", self.take, methods=["POST"]),
                Route("/", self.take, methods=["GET"]),
                Route("/unread", self.refuse, methods=["POST"]),
                Route("/huge", self.huge),
            ],
            middleware=[
                Middleware(
                    BodyBudget, largest=LIMIT, hooks=self.hooks, longest_wait=self.longest_wait
                )
            ],
            exception_handlers={RingbackError: on_ringback_error},
        )

    def protocol(self) -> type[_Protocol]:
        loop, served = self.loop, self._served

        class Protocol(_Protocol):
            def __init__(self, *given: Any, **options: Any) -> None:
                super().__init__(*given, **{**options, "_loop": loop})

            def connection_made(  # type: ignore[override]  # - uvicorn narrows it the same way
                self, transport: asyncio.Transport
            ) -> None:
                super().connection_made(transport)
                served[transport.get_extra_info("peername")[1]] = self

        return Protocol

    async def take(self, request: Request) -> Response:
        body = await read_json(request, limit=LIMIT)
        self.has_begun.set()
        self.begun += 1
        await self.may_reply.wait()
        return PlainTextResponse(f"read {len(body or b'')}")

    async def refuse(self, _: Request) -> Response:
        return PlainTextResponse("not read")

    async def huge(self, _: Request) -> Response:
        return Response(bytes(HUGE))

    async def connect(self) -> Client:
        """Connect, and return once the server has the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        port = writer.get_extra_info("sockname")[1]
        await turns_until(lambda: port in self._served)
        client = Client(reader, writer, self._served[port])
        self._clients.append(client)
        return client

    def hang_up(self) -> None:
        """Close all connections."""
        for client in self._clients:
            client.writer.transport.abort()


@asynccontextmanager
async def running(
    limits: HttpLimits = LIMITS, longest_wait: timedelta = LONGEST_WAIT
) -> AsyncIterator[Server]:
    server, listening = Server(longest_wait), bound_socket("127.0.0.1", 0)
    server.port = listening.getsockname()[1]
    limits = replace(limits, hooks=server.hooks)
    async with served(server.app(), listening, limits=limits, http=server.protocol()):
        try:
            yield server
        finally:
            server.may_reply.set()
            server.hang_up()


async def turns_until(holds: Callable[[], bool]) -> None:
    """Run the loop until `holds()`; pytest's timeout ends an endless wait."""
    while not holds():  # noqa: ASYNC110 - the protocol of uvicorn sets no event
        await asyncio.sleep(0)


def body_of(size: int) -> bytes:
    return b'"' + b"a" * (size - 2) + b'"'


def post(body: bytes) -> bytes:
    return HEAD + b"content-length: %d\r\n\r\n" % len(body) + body


async def drip(server: Server, client: Client, drop: bytes) -> timedelta:
    """Send `drop` every second until the server disconnects; return the time that it took."""
    took = timedelta(0)
    while client.is_open:
        await client.send_until_received(drop)
        server.loop.pass_time(timedelta(seconds=1))
        took += timedelta(seconds=1)
    return took
