"""Limits of connections: how many there may be, and how many file descriptors they may use."""

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.gateway.rare_warnings import RareWarning
from ringback.settings import Settings

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


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Limits for clients.

    Attributes:
        keep_alive: How long a connection may be idle between two requests.
        request: How long a client may take to send a request, from its first byte to its last, and
            to read a reply that is larger than the buffers.
        least_bytes: How many bytes of a request must arrive within `least_bytes_within`, unless it
            is complete. A client that sends less is cut off.
        least_bytes_within: See `least_bytes`.
        reserved_descriptors: File descriptors reserved for the store, Temporal and webhooks.
        most_connections: Maximum connections.
        most_connections_per_address: Maximum connections from one address; 0 is no limit.
        hooks: What the limits report to.
    """

    keep_alive: timedelta = timedelta(seconds=75)
    request: timedelta = timedelta(seconds=30)
    least_bytes: int = 1024
    least_bytes_within: timedelta = timedelta(seconds=10)
    reserved_descriptors: int = 64
    most_connections: int = 8192
    most_connections_per_address: int = 0
    hooks: Hooks = NO_HOOKS


def http_limits(settings: Settings, hooks: Hooks) -> HttpLimits:
    """Return the limits of a gateway with these settings, which report to `hooks`."""
    return HttpLimits(
        keep_alive=timedelta(seconds=settings.keep_alive),
        most_connections=settings.most_connections,
        most_connections_per_address=settings.most_connections_per_address,
        hooks=hooks,
    )


class ServerConnection(Protocol):
    """A connection of a server."""

    @property
    def client(self) -> tuple[str, int] | None:
        """The address of the client."""
        ...

    @property
    def transport(self) -> asyncio.Transport:
        """What closes it."""
        ...


CONNECTIONS: Final = "connections"
ADDRESS_CONNECTIONS: Final = "address_connections"


class ConnectionLimiter:
    """Limits the connections of a server, in total and from each address.

    At the limit, a new connection takes the place of the one that has been idle for the longest
    time. If none is idle, the new one is rejected.
    """

    def __init__(self, limits: HttpLimits) -> None:
        """Count no connections yet."""
        self._limits = limits
        self._of_address: Counter[str] = Counter()
        self._counted: dict[ServerConnection, str] = {}
        #: Those that are idle, in the order in which they became so.
        self._idle: dict[ServerConnection, None] = {}
        self._warning = RareWarning(logger)

    def add(self, connection: "ServerConnection") -> bool:
        """Count a new connection, or return false if there are too many."""
        address = connection.client[0] if connection.client else ""
        of_address = self._limits.most_connections_per_address
        if of_address and self._of_address[address] >= of_address:
            self._limits.hooks.limit_reached(ADDRESS_CONNECTIONS)
            self._warning.warn(
                "too many connections from one address: it has %d, so its next ones get 503; if it"
                " is a proxy, raise RINGBACK_MOST_CONNECTIONS_PER_ADDRESS",
                of_address,
            )
            return False
        if len(self._counted) >= self._limits.most_connections and not self._close_an_idle_one():
            self._limits.hooks.limit_reached(CONNECTIONS)
            self._warning.warn(
                "too many connections: there are %d and none is idle, so new ones get 503; raise"
                " RINGBACK_MOST_CONNECTIONS",
                len(self._counted),
            )
            return False
        self._counted[connection] = address
        self._of_address[address] += 1
        return True

    def remove(self, connection: "ServerConnection") -> None:
        """Stop counting a connection, which was closed."""
        self._idle.pop(connection, None)
        address = self._counted.pop(connection, None)
        if address is not None:
            self._of_address[address] -= 1
            if not self._of_address[address]:
                del self._of_address[address]

    def set_idle(self, connection: "ServerConnection", *, is_idle: bool) -> None:
        """Note whether a connection waits for its next request."""
        self._idle.pop(connection, None)
        if is_idle:
            self._idle[connection] = None

    def _close_an_idle_one(self) -> bool:
        if not self._idle:
            return False
        connection = next(iter(self._idle))
        self.remove(connection)
        connection.transport.close()
        return True
