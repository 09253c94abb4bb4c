"""Formats: texts that stand for something else, each read by what reads it in the worker."""

import re
from collections.abc import Callable
from datetime import datetime
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import Any, Final
from uuid import UUID

from pydantic import (
    Base64Bytes,
    Base64UrlBytes,
    IPvAnyAddress,
    IPvAnyInterface,
    IPvAnyNetwork,
    TypeAdapter,
)

PYTHON_DATETIME: Final = "python-datetime"
"""What Temporal's default converter reads as a `datetime`."""

PYTHON_UUID: Final = "python-uuid"
"""What Temporal's default converter reads as a `UUID`."""


def _read_by(reader: Callable[[str], object]) -> Callable[[str], bool]:
    def is_read(text: str) -> bool:
        try:
            reader(text)
        except (ValueError, re.error, RecursionError, OverflowError):
            return False
        return True

    return is_read


def _by_pydantic(kind: Any) -> Callable[[str], bool]:
    return _read_by(TypeAdapter(kind).validate_python)


FORMATS: Final[dict[str, Callable[[str], bool]]] = {
    PYTHON_DATETIME: _read_by(datetime.fromisoformat),
    PYTHON_UUID: _read_by(UUID),
    "base64": _by_pydantic(Base64Bytes),
    "base64url": _by_pydantic(Base64UrlBytes),
    "ipv4": _by_pydantic(IPv4Address),
    "ipv6": _by_pydantic(IPv6Address),
    "ipv4network": _by_pydantic(IPv4Network),
    "ipv6network": _by_pydantic(IPv6Network),
    "ipv4interface": _by_pydantic(IPv4Interface),
    "ipv6interface": _by_pydantic(IPv6Interface),
    "ipvanyaddress": _by_pydantic(IPvAnyAddress),
    "ipvanynetwork": _by_pydantic(IPvAnyNetwork),
    "ipvanyinterface": _by_pydantic(IPvAnyInterface),
    "regex": _read_by(re.compile),
}
"""By name. The standard ones that are not here are checked as the standard has them."""

IN_WORDS: Final = {
    PYTHON_DATETIME: "a date and time as in ISO 8601",
    PYTHON_UUID: "a UUID",
}
"""What people call those whose names are the house's own."""
