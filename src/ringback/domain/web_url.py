"""URLs that users give: one rule when a callback is opened and when a request is sent."""

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

LONGEST_URL: Final = 1000

_LONGEST_HOST: Final = 253
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_IS_NUMBER: Final = re.compile(r"\d+|0x[0-9a-f]*")
_PATH: Final = "/%:@!$&'()*+,;=-._~"
_QUERY: Final = _PATH + "?"


@dataclass(frozen=True, slots=True)
class WebUrl:
    """A URL to send to; its repr omits path and query.

    Attributes:
        scheme: `http` or `https`.
        host: A name in ASCII, or an IP address without brackets.
        port: The port, if one is given.
        target: Path and query, in ASCII.
    """

    scheme: str
    host: str
    port: int | None
    target: str = field(repr=False)

    @property
    def authority(self) -> str:
        """Host and port, as in the `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def parse_url(name: str, text: str) -> WebUrl:
    """Parse the value of the option `name`.

    Raises:
        ValueError: The URL cannot be used; the message says why and what to do. It does not repeat
            the URL, which may contain a secret.
    """
    if len(text) > LONGEST_URL:
        msg = f"{name} must have at most {LONGEST_URL} characters"
        raise ValueError(msg)
    if any(c.isspace() or not c.isprintable() or c == "\\" for c in text):
        msg = f"{name} contains a space, a control character or a backslash; percent-encode it"
        raise ValueError(msg)
    try:
        parts = urlsplit(text)
    except ValueError:
        msg = f"{name} must be a URL whose host is a name or an IP address"
        raise ValueError(msg) from None
    _check_parts(name, text, parts)
    query = f"?{quote(parts.query, _QUERY)}" if parts.query else ""
    return WebUrl(
        parts.scheme,
        _to_host(name, parts),
        _to_port(name, parts),
        quote(parts.path or "/", _PATH) + query,
    )


def _check_parts(name: str, text: str, parts: SplitResult) -> None:
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = f"{name} must be a URL that begins with https:// or http://"
        raise ValueError(msg)
    if "@" in parts.netloc:
        msg = f"{name} must not contain credentials; put a token into its path or query"
        raise ValueError(msg)
    if "#" in text:
        msg = f"{name} must not have a fragment (#), which is never sent"
        raise ValueError(msg)


def _to_port(name: str, parts: SplitResult) -> int | None:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or parts.netloc.endswith(":"):
        msg = f"{name} has a port that is out of range; use 1 to 65535"
        raise ValueError(msg) from None
    return port


def _to_host(name: str, parts: SplitResult) -> str:
    host = parts.hostname or ""
    try:
        if "[" in parts.netloc:
            return _to_ipv6(host)
        if _IS_NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
            return str(IPv4Address(host))
        return _to_name(host)
    except ValueError:
        msg = (
            f"{name} has a host that is neither a name nor an IP address; write a name with other "
            "letters in its ASCII form (xn--…)"
        )
        raise ValueError(msg) from None


def _to_ipv6(host: str) -> str:
    address = IPv6Address(host)
    if address.scope_id is not None:
        msg = "a zone is only valid on this machine"
        raise ValueError(msg)
    return str(address)


def _to_name(host: str) -> str:
    """Return a host name in ASCII.

    Raises:
        ValueError: It is not a host name, or IDNA 2003 and 2008 read it differently.
    """
    name = host.encode("idna").decode("ascii").lower()
    if not host.isascii() and name.encode("ascii").decode("idna") != host:
        raise ValueError
    labels = name.removesuffix(".").split(".")
    if len(name) > _LONGEST_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError
    return name
