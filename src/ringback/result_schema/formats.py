"""Formats of JSON Schema that jsonschema-rs lacks, or reads more widely than Python does."""

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from ipaddress import (
    IPv4Interface,
    IPv4Network,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import Final
from uuid import UUID

from pydantic import Base64Bytes, TypeAdapter

_DATE: Final = r"\d{4}-\d\d-\d\d"
_TIME: Final = r"[0-2]\d:\d\d:\d\d(\.\d+)?"
_OFFSET: Final = r"(Z|[+-]\d\d:\d\d)"
_BASE64: Final = "[A-Za-z0-9+/_-]*={0,2}"
_UUID: Final = (
    "[0-9a-fA-F]{{8}}-[0-9a-fA-F]{{4}}-{}[0-9a-fA-F]{{3}}-[89abAB][0-9a-fA-F]{{3}}-.{{12}}"
)


def _format(read: Callable[[str], object], pattern: str = ".*") -> Callable[[str], bool]:
    """Return a check: a text must match `pattern` and be read by `read`."""
    compiled = re.compile(pattern, re.ASCII | re.DOTALL)

    def check(text: str) -> bool:
        try:
            return compiled.fullmatch(text) is not None and read(text) is not None
        except (ValueError, OverflowError):
            return False

    return check


FORMATS: Final[dict[str, Callable[[str], bool]]] = {
    "date": _format(date.fromisoformat, _DATE),
    "date-time": _format(datetime.fromisoformat, f"{_DATE}[T ]{_TIME}{_OFFSET}"),
    "date-time-local": _format(datetime.fromisoformat, f"{_DATE}[T ]{_TIME}"),
    "time": _format(time.fromisoformat, _TIME + _OFFSET),
    "time-local": _format(time.fromisoformat, _TIME),
    "duration": _format(TypeAdapter(timedelta).validate_python, "[+-]?P.+"),
    "base64": _format(TypeAdapter(Base64Bytes).validate_python, _BASE64),
    "base64url": _format(TypeAdapter(Base64Bytes).validate_python, _BASE64),
    "ipv4network": _format(IPv4Network),
    "ipv6network": _format(IPv6Network),
    "ipv4interface": _format(IPv4Interface),
    "ipv6interface": _format(IPv6Interface),
    "ipvanyaddress": _format(ip_address),
    "ipvanynetwork": _format(ip_network),
    "ipvanyinterface": _format(ip_interface),
    **{f"uuid{version}": _format(UUID, _UUID.format(version)) for version in range(1, 9)},
}
"""By name. Others of the standard are checked as jsonschema-rs does; unknown ones are not."""
