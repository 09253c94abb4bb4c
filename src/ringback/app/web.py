"""Serves an application over HTTP, on a port that is known to be free."""

import asyncio
import ipaddress
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final, cast

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ringback.app.limited_http import HttpLimits, LimitedConfig, LimitedHttpProtocol
from ringback.core.services import task_group
from ringback.domain.errors import ConfigurationError
from ringback.gateway.replies import stopping

_SELDOM_GIVEN_OUT: Final = range(20_000, 32_000)
_BACKLOG: Final = 4096
"""How many connections may wait to be taken; Linux allows no more unless it is told to."""
_GRACE_SECONDS: Final = 1
"""How long requests in progress may take once the program begins to stop."""


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `port`; 0 takes one that is free.

    Raises:
        ConfigurationError: The port is taken or out of range, or the host is no address of this
            machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except (OSError, OverflowError, UnicodeError) as exc:
        listening.close()
        why = exc.strerror if isinstance(exc, OSError) else exc
        msg = f"port {port} on {host} cannot be used ({why}); choose another one"
        raise ConfigurationError(msg) from exc
    return listening


def local_url(host: str, port: int) -> str:
    """Return the URL under which this machine reaches a server that listens on `host` and `port`.

    A wildcard address is a place to listen, not one to connect to: the URL has the loopback
    address instead. `listens_everywhere` tells whether that is so.
    """
    if listens_everywhere(host):
        host = "::1" if ":" in host else "127.0.0.1"
    if ":" not in host:
        return f"http://{host}:{port}"
    # Hardly any program reads a URL with the zone of an address in it.
    return f"http://[{host.partition('%')[0]}]:{port}"


def url_of(listening: socket.socket) -> str:
    """Return the URL under which this machine reaches what listens on this socket."""
    host, port = cast("tuple[str, int]", listening.getsockname()[:2])
    return local_url(host, port)


def listens_everywhere(host: str) -> bool:
    """Return whether `host` is a wildcard: every address of this machine."""
    try:
        return not host or ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody uses now.

    They lie below those that systems give out by themselves, so that what starts meanwhile on a
    port of its system's choice, as Temporal does for its metrics, does not take one of them.
    """
    found: list[int] = []
    first = random.SystemRandom().randrange(len(_SELDOM_GIVEN_OUT))
    for port in (*_SELDOM_GIVEN_OUT[first:], *_SELDOM_GIVEN_OUT[:first]):
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
        on_stop: Called when the server begins to stop, before requests in progress get their last
            second: it ends what they wait for.
        limits: What clients may take.
        http: The protocol class; a benchmark measures what another one costs.
    """
    # No access log: its lines would hold links.
    config = LimitedConfig(
        _ReplyWhenCanceled(app),
        http=http,
        ws="none",
        # uvicorn listens again.
        backlog=_BACKLOG,
        access_log=False,
        log_config=None,
        server_header=False,
        headers=[("x-content-type-options", "nosniff")],
        timeout_keep_alive=round(limits.keep_alive.total_seconds()),
        limits=limits,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = _Server(config)
    async with task_group() as group:
        group.create_task(server.serve(sockets=[listening]), name="http server")
        try:
            yield
        finally:
            on_stop()
            server.should_exit = True


class _ReplyWhenCanceled:
    """Replies 503 to a request that the server cancels because it outlasts the stop.

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


class _Server(uvicorn.Server):
    """A server that leaves signals to the program."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield
