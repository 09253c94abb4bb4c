"""Addresses: which machines may receive webhooks, and connections to exactly the checked ones."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

import httpcore2

_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")

_SPECIAL_4: Final = tuple(
    map(
        IPv4Network,
        [
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # shared; a cloud has its metadata at 100.100.100.200
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # one cloud's service for its own machines; public by the registry
            "169.254.0.0/16",  # link-local; most clouds have their metadata there
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocols; a cloud has its metadata at 192.0.0.192
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved
        ],
    )
)
_SPECIAL_6: Final = tuple(
    map(
        IPv6Network,
        [
            "2001::/23",  # protocols; with Teredo, which hides an IPv4 address
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which hides an IPv4 address
            "3ffe::/16",  # a test network of old
            "3fff::/20",  # documentation
        ],
    )
)
"""The parts of `_UNICAST` outside the public internet.

The registry is IANA's for special addresses. Python's own `is_global` is as old as the interpreter.
"""

Address: TypeAlias = IPv4Address | IPv6Address
LookUp: TypeAlias = Callable[[str, int], Awaitable[Sequence[Address]]]

_LOOKING_UP: Final = ThreadPoolExecutor(32, thread_name_prefix="look-up")
"""A pool of its own: a silent name server of a stranger then delays only webhooks."""


class PrivateAddressError(Exception):
    """The host is not on the public internet; an operator may allow it."""


def is_public(address: Address) -> bool:
    """Return whether `address` is one machine on the public internet.

    Loopback, private, link-local, shared, reserved, multicast and documentation addresses are not.
    Neither are a cloud's metadata addresses, nor addresses that wrap an IPv4 address, except NAT64
    addresses with a public one.
    """
    if isinstance(address, IPv4Address):
        is_special = any(address in network for network in _SPECIAL_4)
        return address.is_global and not is_special
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    is_special = any(address in network for network in _SPECIAL_6)
    return address in _UNICAST and address.is_global and not is_special


class PublicNetwork(httpcore2.AsyncNetworkBackend):
    """Connects only to public addresses, and exactly to the address that was checked.

    Each name is looked up once, so changing its address after the check has no effect. TLS and the
    `Host` header use the name.
    """

    def __init__(self, *, allows_private: bool, look_up: LookUp | None = None) -> None:
        """Connect to private addresses too if `allows_private`; `look_up` finds them by name."""
        self._allows_private = allows_private
        self._look_up = look_up or look_up_here
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(  # noqa: PLR0917 - httpcore2's own signature
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to `host`.

        Raises:
            PrivateAddressError: One of its addresses is not public.
            httpcore2.ConnectError: No address accepts a connection, or the name has no address.
            httpcore2.ConnectTimeout: The last address did not reply in time.
        """
        addresses = await self._look_up(host, port)
        if not self._allows_private and not all(map(is_public, addresses)):
            raise PrivateAddressError
        failure: Exception = httpcore2.ConnectError("no such host")
        for address in addresses:
            try:
                return await self._network.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as exc:
                failure = exc
        raise failure


async def look_up_here(host: str, port: int) -> Sequence[Address]:
    """Look up the addresses of `host` with this machine's resolver.

    Raises:
        httpcore2.ConnectError: There are no addresses.
    """
    find = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        found = await asyncio.get_running_loop().run_in_executor(_LOOKING_UP, find)
    except (OSError, UnicodeError) as exc:
        msg = "no such host"
        raise httpcore2.ConnectError(msg) from exc
    return [ip_address(one[4][0]) for one in found]
