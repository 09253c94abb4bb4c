"""HTTP with limits: how long a client may take, and how many connections there may be.

uvicorn limits only how long a connection may be idle between two requests.
"""

import asyncio
from enum import Enum, auto
from typing import Any, Final, cast

import uvicorn
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ringback.app.connections import ConnectionLimiter, DescriptorLimit, HttpLimits
from ringback.gateway.replies import problem

SLOW_REQUESTS: Final = "slow_requests"
SLOW_READERS: Final = "slow_readers"
"""The names of these limits, as in `Hooks.limit_reached`."""

_MOST_AHEAD: Final = 16 * 1024
"""Read no more of a body than one read beyond this, before the application wants it: hundreds of
senders may wait for room for theirs."""

_TIMED_OUT: Final = problem(
    408, "request timeout", "the request did not arrive completely in time; send the same again"
)
_UPGRADE: Final = problem(
    400,
    "malformed request",
    "a body cannot be sent with an Upgrade header; use HTTP/1.1 (in Java: version(HTTP_1_1))",
)
_TOO_MANY_CONNECTIONS: Final = problem(
    503, "too many connections", "the gateway has too many connections; send the same again later"
)
_TOO_MANY_CONNECTIONS.headers["retry-after"] = "2"


class LimitedConfig(uvicorn.Config):
    """uvicorn's configuration, with limits for `LimitedHttpProtocol`."""

    def __init__(self, *given: Any, limits: HttpLimits, **options: Any) -> None:
        """Pass the options of uvicorn on, and add `limits`."""
        super().__init__(*given, **options)
        self.limits = limits
        self.descriptors = DescriptorLimit(limits.reserved_descriptors)
        self.counted_connections = ConnectionLimiter(limits)
        #: Set whenever a connection has been closed.
        self.connection_was_lost = asyncio.Event()


class LimitedHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with limits that protect the gateway from slow clients."""

    config: LimitedConfig

    def __init__(self, *given: Any, **options: Any) -> None:
        """Pass uvicorn's arguments on."""
        super().__init__(*given, **options)
        self._limits = self.config.limits
        self._seconds = self._limits.request.total_seconds()
        self._connections = self.config.counted_connections
        #: How many bytes have arrived since the rate was last checked, and when the request must
        #: have arrived completely, by the loop's clock.
        self._arrived = 0
        self._seconds_left = 0.0
        self._request_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._part = _Part.NOTHING

    def connection_made(  # type: ignore[override]  # - uvicorn narrows it the same way
        self, transport: asyncio.Transport
    ) -> None:
        """Start the timer of the first request, or reject the connection at the limit."""
        super().connection_made(transport)
        if self.config.descriptors.has_room_for(transport) and self._connections.add(self):
            self._start_request_timer()
        else:
            self._reject(_TOO_MANY_CONNECTIONS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        self._stop_request_timer()
        self._stop_write_timer()
        self._connections.remove(self)
        super().connection_lost(exc)
        self.config.connection_was_lost.set()

    def data_received(self, data: bytes) -> None:
        """Parse the data; start a timer if a request has not arrived completely."""
        self._arrived += len(data)
        super().data_received(data)
        is_idle = self.cycle is None or self.cycle.response_complete
        if self._request_timer is None and (is_idle or self._part is not _Part.NOTHING):
            self._start_request_timer()

    def on_message_begin(self) -> None:
        """Note the start of a request."""
        super().on_message_begin()
        self._part = _Part.HEAD
        self._connections.set_idle(self, is_idle=False)

    def on_headers_complete(self) -> None:
        """Reject a request without exactly one Host header (RFC 9112, 3.2).

        Also reject an upgrade with a body: the parser stops at it, so the body would be lost.

        Raises:
            ValueError: The request is rejected; the parser turns it into a 400.
        """
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() == "1.1"):
            msg = "a request has exactly one Host header"
            raise ValueError(msg)
        if self.parser.should_upgrade() and self._has_body():
            self._reject(_UPGRADE)
            raise ValueError(_UPGRADE.body)
        super().on_headers_complete()
        self._part = _Part.BODY
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False
        if not self.cycle.keep_alive and self._has_body():
            self.cycle.transport = cast("asyncio.Transport", _ClosesAfterBody(self.transport))

    def on_body(self, body: bytes) -> None:
        """Stop reading until the application has taken what it has not."""
        super().on_body(body)
        if len(self.cycle.body) > _MOST_AHEAD and not self.cycle.response_complete:
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """Stop the timer of this request."""
        super().on_message_complete()
        self._part = _Part.NOTHING
        self._stop_request_timer()
        if self.cycle.response_complete and not self.pipeline:
            self._connections.set_idle(self, is_idle=True)
        if isinstance(self.cycle.transport, _ClosesAfterBody):
            self.cycle.transport.end_body()

    def on_response_complete(self) -> None:
        """Note that the connection is idle, unless more has arrived."""
        super().on_response_complete()
        if self._part is _Part.NOTHING and not self.pipeline and not self.transport.is_closing():
            self._connections.set_idle(self, is_idle=True)

    def pause_writing(self) -> None:
        """Start a timer: the client does not read its reply."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self._seconds, self._on_write_timeout)

    def resume_writing(self) -> None:
        """Stop that timer: the client reads again."""
        super().resume_writing()
        self._stop_write_timer()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, even if the client has not read the last reply."""
        self.transport.abort()

    def _start_request_timer(self) -> None:
        self._seconds_left = self._seconds
        self._wait_for_bytes()

    def _wait_for_bytes(self) -> None:
        """Check the rate after a while, or the total time once it has passed."""
        self._arrived = 0
        seconds = min(self._limits.least_bytes_within.total_seconds(), self._seconds_left)
        self._seconds_left -= seconds
        self._request_timer = self.loop.call_later(seconds, self._on_request_timer)

    def _stop_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _on_request_timer(self) -> None:
        is_reading = self._part is not _Part.NOTHING and not self.flow.read_paused
        is_too_slow = is_reading and self._arrived < self._limits.least_bytes
        if self._seconds_left > 0 and not is_too_slow:
            self._wait_for_bytes()
        else:
            self._on_request_timeout()

    def _on_request_timeout(self) -> None:
        self._request_timer = None
        is_idle = self.cycle is None or self.cycle.response_complete
        if self.pipeline or (self._part is _Part.HEAD and not is_idle):
            # The client waits for the reply to an earlier request.
            self._start_request_timer()
            return
        self._limits.hooks.limit_reached(SLOW_REQUESTS)
        if self._part is _Part.HEAD or (self._part is _Part.BODY and not self._has_replied()):
            self._reject(_TIMED_OUT)
        else:
            self.transport.abort()

    def _on_write_timeout(self) -> None:
        self._limits.hooks.limit_reached(SLOW_READERS)
        self.transport.abort()

    def _has_body(self) -> bool:
        return any(name in {b"content-length", b"transfer-encoding"} for name, _ in self.headers)

    def _has_replied(self) -> bool:
        return self.cycle is not None and self.cycle.response_started

    def _reject(self, reply: Response) -> None:
        """Reply without calling the application, and close the connection."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        fields = [*self.server_state.default_headers, *reply.raw_headers, (b"connection", b"close")]
        head = b"".join(name + b": " + value + b"\r\n" for name, value in fields)
        self.transport.write(STATUS_LINE[reply.status_code] + head + b"\r\n" + bytes(reply.body))
        self.transport.close()


class _ClosesAfterBody:
    """The transport of the last request of a connection, which closes once the body has been read.

    If it closed sooner, the system would reset the connection, and a sender that is still sending
    would not see the reply.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._has_body_ended = False
        self._is_reply_complete = False
        self.write = transport.write
        self.is_closing = transport.is_closing

    def close(self) -> None:
        self._is_reply_complete = True
        if self._has_body_ended:
            self._transport.close()

    def end_body(self) -> None:
        self._has_body_ended = True
        if self._is_reply_complete:
            self._transport.close()


class _Part(Enum):
    """What arrives next."""

    NOTHING = auto()
    HEAD = auto()
    BODY = auto()
