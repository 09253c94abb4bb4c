"""Trace contexts: the `traceparent` header of W3C Trace Context, as others send it."""

import re
from typing import Final

_FORM: Final = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    r"(?P<more>-.*)?"
)
_LONGEST: Final = 256
_INVALID_VERSION: Final = "ff"
_SAMPLED: Final = 1


def parse_traceparent(text: str | None) -> str | None:
    """Return a `traceparent` header in the form of version 00; `None` if it is invalid.

    Total: it never raises. Of a later version, it keeps what version 00 defines. The result has 55
    characters, and the only flag is whether the span is sampled.
    """
    found = None if text is None or len(text) > _LONGEST else _FORM.fullmatch(text)
    if found is None or found["version"] == _INVALID_VERSION:
        return None
    if found["version"] == "00" and found["more"] is not None:
        return None
    if not int(found["trace"], 16) or not int(found["span"], 16):
        return None
    return f"00-{found['trace']}-{found['span']}-{int(found['flags'], 16) & _SAMPLED:02x}"
