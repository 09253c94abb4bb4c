"""HTTP with limits: how long a client may take, and how many connections there may be.

uvicorn limits only how long a connection may be idle between two requests.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import Any, Final, cast

import uvicorn
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ringback.gateway.rare_warnings import RareWarning
from ringback.gateway.replies import problem

try:
    import resource
except ImportError:  # pragma: no cover - Windows has no such limit
    resource = None  # type: ignore[assignment]  # - see above

logger = logging.getLogger(__name__)

_ENOUGH: Final = 65_536
"""More than a gateway uses; some systems allow a billion."""


def raise_descriptor_limit() -> None:
    """Raise this process's limit of file descriptors to its hard limit, at most 65,536."""
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # Some systems refuse their own hard limit.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class DescriptorLimit:
    """Decides whether enough file descriptors are free for another connection.

    Without it, a gateway at the limit resets connections without a log line and can reach neither
    the store nor Temporal.
    """

    def __init__(self, reserved: int) -> None:
        """Reserve descriptors for the store, Temporal and webhooks."""
        self._reserved = reserved
        self._warning = RareWarning(logger)

    def has_room_for(self, transport: asyncio.Transport) -> bool:
        """Return whether this new connection may stay; if not, log so at most once a minute."""
        connection = transport.get_extra_info("socket")
        if resource is None or connection is None:
            return True
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        # The system assigns the lowest free number.
        used: int = connection.fileno() + 1
        if limit == resource.RLIM_INFINITY or used <= limit - self._reserved:
            return True
        self._warning.warn(
            "file descriptors run out: %d of %d are in use, so new connections get 503; raise the"
            " hard limit: `ulimit -Hn` in a shell, LimitNOFILE= in a systemd unit, `ulimits` in"
            " Compose",
            used,
            limit,
        )
        return False


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


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Limits for clients.

    Attributes:
        keep_alive: How long a connection may be idle between two requests.
        request: How long a client may take to send a request, from its first byte to its last, and
            to read a reply that is larger than the buffers.
        reserved_descriptors: File descriptors reserved for the store, Temporal and webhooks.
    """

    keep_alive: timedelta = timedelta(seconds=75)
    request: timedelta = timedelta(seconds=30)
    reserved_descriptors: int = 64


class LimitedConfig(uvicorn.Config):
    """uvicorn's configuration, with limits for `LimitedHttpProtocol`."""

    def __init__(self, *given: Any, limits: HttpLimits, **options: Any) -> None:
        """Pass the options of uvicorn on, and add `limits`."""
        super().__init__(*given, **options)
        self.limits = limits
        self.descriptors = DescriptorLimit(limits.reserved_descriptors)


class LimitedHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with limits that protect the gateway from slow clients."""

    config: LimitedConfig

    def __init__(self, *given: Any, **options: Any) -> None:
        """Pass uvicorn's arguments on."""
        super().__init__(*given, **options)
        self._seconds = self.config.limits.request.total_seconds()
        self._request_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._part = _Part.NOTHING

    def connection_made(  # type: ignore[override]  # - uvicorn narrows it the same way
        self, transport: asyncio.Transport
    ) -> None:
        """Start the timer of the first request, or reject the connection at the limit."""
        super().connection_made(transport)
        if self.config.descriptors.has_room_for(transport):
            self._start_request_timer()
        else:
            self._reject(_TOO_MANY_CONNECTIONS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        self._stop_request_timer()
        self._stop_write_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the data; start a timer if a request has not arrived completely."""
        super().data_received(data)
        is_idle = self.cycle is None or self.cycle.response_complete
        if self._request_timer is None and (is_idle or self._part is not _Part.NOTHING):
            self._start_request_timer()

    def on_message_begin(self) -> None:
        """Note the start of a request."""
        super().on_message_begin()
        self._part = _Part.HEAD

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
        if isinstance(self.cycle.transport, _ClosesAfterBody):
            self.cycle.transport.end_body()

    def pause_writing(self) -> None:
        """Start a timer: the client does not read its reply."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self._seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop that timer: the client reads again."""
        super().resume_writing()
        self._stop_write_timer()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, even if the client has not read the last reply."""
        self.transport.abort()

    def _start_request_timer(self) -> None:
        self._request_timer = self.loop.call_later(self._seconds, self._on_request_timeout)

    def _stop_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _on_request_timeout(self) -> None:
        self._request_timer = None
        is_idle = self.cycle is None or self.cycle.response_complete
        if self.pipeline or (self._part is _Part.HEAD and not is_idle):
            # The client waits for the reply to an earlier request.
            self._start_request_timer()
        elif self._part is _Part.HEAD or (self._part is _Part.BODY and not self._has_replied()):
            self._reject(_TIMED_OUT)
        else:
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
