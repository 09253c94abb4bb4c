"""Connections to a gateway: HTTP/1.1 with as little work per call as possible.

An activity waits for two calls when it opens a callback. Measured one call at a time: 0.5 ms of the
worker's processor time for each, and 1.2 ms with httpx2's own client and connections. A request is
sent by one write, so that the gateway wakes up once.
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, cast

import h11
import httpx2

MOST_CONNECTIONS: Final = 100

IDLE_SECONDS: Final = 5.0
"""An idle connection is reused for this long; a gateway or a proxy closes it later."""

_CONNECT_SECONDS: Final = 3.0
_NEXT_ADDRESS_SECONDS: Final = 0.25
_LONGEST_HEAD: Final = 100 * 1024
_PORTS: Final = {"http": 80, "https": 443}


class Connections(httpx2.AsyncBaseTransport):
    """Sends requests to one gateway, on connections that are kept.

    A request is sent again if a kept connection turns out to be closed, so it must be repeatable.
    """

    def __init__(self, *, tls: ssl.SSLContext | None, idle_seconds: float = IDLE_SECONDS) -> None:
        """Open no connection until a request needs one; `tls` is for URLs with https."""
        self._tls = tls
        self._idle_seconds = idle_seconds
        self._places = asyncio.Semaphore(MOST_CONNECTIONS)
        self._idle: list[_Connection] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the whole reply to `request`.

        Args:
            request: Its extension `timeout` is the number of seconds for all of it.

        Raises:
            httpx2.TransportError: No whole reply arrived; the request may have been handled.
        """
        seconds: float = request.extensions["timeout"]
        with _translated(f"no reply within {seconds:g} seconds"):
            async with asyncio.timeout(seconds), self._places:
                kept = self._take()
                if kept is not None:
                    try:
                        return await self._send(kept, request)
                    except ConnectionError:
                        # It was closed while the request was on its way.
                        pass
                return await self._send(await self._connect(request.url), request)

    async def aclose(self) -> None:
        """Close all idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> "_Connection | None":
        """Return the connection that was used last, if it is still good."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_good():
                return connection
            connection.close()
        return None

    async def _connect(self, url: httpx2.URL) -> "_Connection":
        loop = asyncio.get_running_loop()
        # uvloop tries one address after the other.
        options: dict[str, Any] = (
            {"happy_eyeballs_delay": _NEXT_ADDRESS_SECONDS}
            if isinstance(loop, asyncio.BaseEventLoop)
            else {}
        )
        with _translated(f"no connection within {_CONNECT_SECONDS:g} seconds"):
            async with asyncio.timeout(_CONNECT_SECONDS):
                _, connection = await loop.create_connection(
                    _Connection,
                    url.raw_host.decode("ascii"),
                    url.port or _PORTS[url.scheme],
                    ssl=self._tls if url.scheme == "https" else None,
                    **options,
                )
        return connection

    async def _send(self, connection: "_Connection", request: httpx2.Request) -> httpx2.Response:
        with ExitStack() as unless_kept:
            unless_kept.callback(connection.close)
            reply = await connection.send(request)
            if connection.can_be_kept(self._idle_seconds):
                self._idle.append(connection)
                unless_kept.pop_all()
        return reply


class _Connection(asyncio.Protocol):
    """One connection, which sends one request at a time."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
        self._changed = asyncio.Event()
        self._has_ended = False
        self._idle_until = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not checked: that of uvloop is of no class of asyncio.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        self._changed.set()

    def eof_received(self) -> None:
        self._end()

    def connection_lost(self, _: Exception | None) -> None:
        self._end()

    def _end(self) -> None:
        self._has_ended = True
        self._changed.set()

    def close(self) -> None:
        self._transport.abort()

    def can_be_kept(self, seconds: float) -> bool:
        """Return whether HTTP allows another request; prepare for it, within `seconds`."""
        if not self._http.our_state is self._http.their_state is h11.DONE:
            return False
        self._http.start_next_cycle()
        self._idle_until = asyncio.get_running_loop().time() + seconds
        return True

    def is_good(self) -> bool:
        """Return whether the other side neither closed it nor sent anything in the meantime."""
        is_quiet = not self._has_ended and not self._http.trailing_data[0]
        return is_quiet and asyncio.get_running_loop().time() < self._idle_until

    async def send(self, request: httpx2.Request) -> httpx2.Response:
        """Return the reply to `request`.

        Raises:
            ConnectionError: The connection was closed before the reply.
            h11.ProtocolError: The reply is not HTTP, or it is not complete.
        """
        head = h11.Request(
            method=request.method, target=request.url.raw_path, headers=request.headers.raw
        )
        events = [head, h11.Data(data=request.content), h11.EndOfMessage()]
        self._transport.write(b"".join(self._http.send(event) or b"" for event in events))
        reply = await self._receive()
        while isinstance(reply, h11.InformationalResponse):
            reply = await self._receive()
        body: list[bytes] = []
        while isinstance(part := await self._receive(), h11.Data):
            body.append(part.data)
        return httpx2.Response(
            reply.status_code, headers=reply.headers.raw_items(), content=b"".join(body)
        )

    async def _receive(self) -> Any:
        """Return the next event of the reply.

        Raises:
            ConnectionResetError: The connection was closed before the reply.
        """
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if not self._has_ended:
                self._changed.clear()
                await self._changed.wait()
            elif self._http.their_state is h11.SEND_RESPONSE:
                msg = "it closed the connection"
                raise ConnectionResetError(msg)
            else:
                self._http.receive_data(b"")
        return event


@contextmanager
def _translated(too_late: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as exc:
        raise httpx2.TimeoutException(too_late) from exc
    except (OSError, UnicodeError) as exc:
        raise httpx2.NetworkError(str(exc)) from exc
    except h11.ProtocolError as exc:
        raise httpx2.RemoteProtocolError(str(exc)) from exc
