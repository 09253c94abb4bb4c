"""Trusted-proxy headers: a proxy in front of the gateway says who sent a request."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from starlette.requests import Request

from ringback.domain.people_errors import SignInRefusedError
from ringback.domain.person import Person, ProofSource, new_person

Network: TypeAlias = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyHeaders:
    """The headers of trusted proxies.

    Attributes:
        networks: The addresses of the proxies.
        user: The name of the header with the user.
        groups: The name of the header with the groups, separated by commas.
        name: The name of the header with the name to show.
    """

    networks: Sequence[Network]
    user: str
    groups: str | None = None
    name: str | None = None

    def find_person(self, request: Request) -> Person | None:
        """Return the person that a trusted proxy names.

        Headers from anybody else are ignored. What counts is the address of the connection, never
        a header such as `X-Forwarded-For`.

        Raises:
            SignInRefusedError: A trusted proxy sent a header twice, or a name that cannot be used.
        """
        if not self._is_trusted(request):
            return None
        user = _find(request, self.user)
        if not user:
            return None
        groups = _find(request, self.groups) or ""
        names = (group.strip() for group in groups.split(","))
        if "," in user:
            msg = f"the proxy sent the header {self.user} with a comma, as if it were two"
            raise SignInRefusedError(msg)
        try:
            return new_person(
                user,
                name=_find(request, self.name),
                groups=[group for group in names if group],
                proof_source=ProofSource.PROXY,
            )
        except ValueError as exc:
            msg = f"the proxy sent a header that cannot be used: {exc}"
            raise SignInRefusedError(msg) from exc

    def _is_trusted(self, request: Request) -> bool:
        try:
            peer = ip_address(request.client.host if request.client else "")
        except ValueError:
            return False
        if isinstance(peer, IPv6Address) and peer.ipv4_mapped is not None:
            peer = peer.ipv4_mapped
        return any(peer in network for network in self.networks)


def _find(request: Request, name: str | None) -> str | None:
    """Return the value of a header, if it is configured and was sent.

    Raises:
        SignInRefusedError: It was sent more than once: the proxy may have passed on a forged one.
    """
    values = [] if name is None else request.headers.getlist(name)
    if len(values) > 1:
        msg = f"the proxy sent the header {name} {len(values)} times; it must replace the client's"
        raise SignInRefusedError(msg)
    if not values:
        return None
    raw = values[0].encode("latin-1")
    try:
        return raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        return values[0].strip()
