"""Serves an ASGI application over HTTP, on a socket that is bound before anything starts."""

import asyncio
import ipaddress
import logging
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final, cast

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ringback.app.connections import HttpLimits
from ringback.app.limited_http import LimitedConfig, LimitedHttpProtocol
from ringback.core.services import task_group
from ringback.domain.errors import ConfigurationError
from ringback.gateway.replies import stopping

_BELOW_ASSIGNED: Final = range(20_000, 32_000)
_BACKLOG: Final = 4096
"""Maximum connections that wait to be accepted: the default limit of Linux."""

_RECEIVE_BUFFER: Final = 32 * 1024
"""Maximum bytes that the system receives for a connection before the gateway reads them. At a round
trip of 100 ms, a connection still uploads 1 MB per second."""

_GRACE_SECONDS: Final = 1
"""How long requests in progress may take after the program begins to stop."""


def bound_socket(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    """Return a socket that listens on `port`; 0 chooses a free one.

    A port that `is_shared` may have several such sockets, of this user's processes.

    Raises:
        ConfigurationError: The port is in use or out of range, or this machine does not have the
            address.
    """
    return _bound(host, port, is_shared=is_shared, listens=True)


def reserved_socket(host: str, port: int) -> socket.socket:
    """Return a socket that reserves `port` for shared sockets; 0 chooses a free one.

    It does not listen, so no connection reaches it.

    Raises:
        ConfigurationError: The port is in use or out of range, or this machine does not have the
            address.
    """
    # Two programs must not share a port by mistake.
    with bound_socket(host, port) as alone:
        free = alone.getsockname()[1]
    return _bound(host, free, is_shared=True, listens=False)


def _bound(host: str, port: int, *, is_shared: bool, listens: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_shared:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        # Connections inherit it. A sender waits when it is full; the system would allow megabytes.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        listening.bind((host, port))
        if listens:
            listening.listen(_BACKLOG)
    except (OSError, OverflowError, UnicodeError) as exc:
        listening.close()
        why = exc.strerror if isinstance(exc, OSError) else exc
        msg = f"port {port} on {host} cannot be used ({why}); choose another one"
        raise ConfigurationError(msg) from exc
    return listening


def local_url(host: str, port: int) -> str:
    """Return the URL at which this machine reaches a server that listens on `host` and `port`.

    For a wildcard address, it is the URL of the loopback address.
    """
    if listens_everywhere(host):
        host = "::1" if ":" in host else "127.0.0.1"
    if ":" not in host:
        return f"http://{host}:{port}"
    # Few programs can parse a URL that contains the zone of an address.
    return f"http://[{host.partition('%')[0]}]:{port}"


def url_of(listening: socket.socket) -> str:
    """Return the URL at which this machine reaches the server on this socket."""
    host, port = cast("tuple[str, int]", listening.getsockname()[:2])
    return local_url(host, port)


def listens_everywhere(host: str) -> bool:
    """Return whether `host` is a wildcard, which means all addresses of this machine."""
    try:
        return not host or ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that are free now.

    They are below the range from which systems assign ports, so a program that lets the system
    choose, as Temporal does for its metrics, does not get one of them.
    """
    found: list[int] = []
    first = random.SystemRandom().randrange(len(_BELOW_ASSIGNED))
    for port in (*_BELOW_ASSIGNED[first:], *_BELOW_ASSIGNED[:first]):
        with suppress(ConfigurationError):
            bound_socket("127.0.0.1", port).close()
            found.append(port)
        if len(found) == count:
            break
    return found


@asynccontextmanager
async def served(
    app: ASGIApp,
    listening: socket.socket,
    *,
    on_stop: Callable[[], None] = lambda: None,
    limits: HttpLimits = HttpLimits(),  # noqa: B008 - it is frozen
    http: type[asyncio.Protocol] = LimitedHttpProtocol,
) -> AsyncIterator[None]:
    """Serve `app` on `listening` for the block, and let requests in progress finish after it.

    Args:
        app: The ASGI application.
        listening: The socket to accept connections on.
        on_stop: Called when the server begins to stop; requests in progress have one more second.
        limits: Limits for clients.
        http: The protocol class; a benchmark measures what another one costs.
    """
    # No access log: its lines would contain links.
    config = LimitedConfig(
        _ReplyWhenCanceled(app),
        http=http,
        ws="none",
        # Otherwise a local client could choose its address with X-Forwarded-For.
        proxy_headers=False,
        # uvicorn calls `listen` again.
        backlog=_BACKLOG,
        access_log=False,
        log_config=None,
        server_header=False,
        headers=[("x-content-type-options", "nosniff")],
        timeout_keep_alive=round(limits.keep_alive.total_seconds()),
        limits=limits,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = PromptServer(config)
    async with task_group() as group:
        group.create_task(server.serve(sockets=[listening]), name="http server")
        try:
            yield
        finally:
            on_stop()
            server.stop()


class _ReplyWhenCanceled:
    """Replies 503 to a request that the server cancels when it stops.

    Without it, uvicorn logs a traceback and replies 500 in plain text.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_started = False

        async def note_and_send(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self._app(scope, receive, note_and_send)
        except asyncio.CancelledError:
            if has_started or scope["type"] != "http":
                raise
            await stopping()(scope, receive, send)


logger = logging.getLogger(__name__)

_DATE_SECONDS: Final = 1
"""How often the `Date` header of replies is updated."""


class PromptServer(uvicorn.Server):
    """Serves until `stop` is called. It leaves signals to the program."""

    config: LimitedConfig

    def __init__(self, config: LimitedConfig) -> None:
        """Serve the application of `config`."""
        super().__init__(config)
        self._is_stopping = asyncio.Event()

    def stop(self) -> None:
        """Let `serve` return after the requests in progress."""
        self.should_exit = True
        self._is_stopping.set()

    async def main_loop(self) -> None:
        """Keep the `Date` header current until the server should stop."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(_DATE_SECONDS):
                    await self._is_stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, and wait until all are closed.

        Requests that take longer than `timeout_graceful_shutdown` are canceled.
        """
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        tasks = self.server_state.tasks
        try:
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                await self._wait_until_idle()
        except TimeoutError:
            logger.warning("requests canceled to stop: %d", len(tasks))
            for task in tasks:
                task.cancel()
        await self.lifespan.shutdown()

    async def _wait_until_idle(self) -> None:
        while self.server_state.connections:
            self.config.connection_was_lost.clear()
            await self.config.connection_was_lost.wait()
        while tasks := self.server_state.tasks:
            await asyncio.wait(tasks)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture no signals."""
        yield
