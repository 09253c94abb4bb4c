"""File descriptors: each connection uses one, and a process has only so many."""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from ringback.gateway.rare_warnings import RareWarning

try:
    import resource
except ImportError:  # pragma: no cover - Windows has no such limit
    resource = None  # type: ignore[assignment]  # - see above

logger = logging.getLogger(__name__)

_ENOUGH: Final = 65_536
"""More than one gateway uses; some systems allow a thousand million."""


def raise_descriptor_limit() -> None:
    """Raise this process's limit on file descriptors as far as its user may, up to 65,536."""
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # A system may allow less than it says.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class DescriptorLimit:
    """Decides whether there are file descriptors for one more connection.

    At the limit itself, connections would be reset without a trace, and neither the store nor
    Temporal could be reached any more.
    """

    def __init__(self, reserved: int) -> None:
        """Leave `reserved` descriptors to everything that is not a connection of a client."""
        self._reserved = reserved
        self._warning = RareWarning(logger)

    def has_room_for(self, transport: asyncio.Transport) -> bool:
        """Return whether this new connection may stay; log if it may not, once a minute."""
        connection = transport.get_extra_info("socket")
        if resource is None or connection is None:
            return True
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        # The system gives out the lowest number that is free.
        used: int = connection.fileno() + 1
        if limit == resource.RLIM_INFINITY or used <= limit - self._reserved:
            return True
        self._warning.warn(
            "%d of %d file descriptors are in use, so new connections get 503; raise the hard"
            " limit: `ulimit -Hn` in a shell, LimitNOFILE= in a systemd unit, `ulimits` in Compose",
            used,
            limit,
        )
        return False
