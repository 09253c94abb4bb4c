"""JSON split into its parts, each byte for byte.

Parsing and encoding again would change numbers: `1.10` becomes `1.1`, and long ones are rounded.

The input must be valid JSON. One pass over strings and brackets splits it, so that a large text
costs little.
"""

import json
import re
from typing import Final

_SPACE: Final = b" \t\n\r"
_STRING: Final = rb'"(?:[^"\\]++|\\.)*+"'
_MARK: Final = re.compile(_STRING + rb"|[\[\]{},:]", re.DOTALL)
_BRACKET: Final = re.compile(_STRING + rb"|[\[\]{}]", re.DOTALL)


def items(array: bytes) -> list[bytes]:
    """Return the items of an array, byte for byte.

    Raises:
        ValueError: It is not a JSON array.
    """
    return _parts(array, b"[]", "it is not a JSON array")


def members(obj: bytes) -> dict[str, bytes]:
    """Return the members of an object, byte for byte; the last of two with one name counts.

    Raises:
        ValueError: It is not a JSON object.
    """
    parts = _parts(obj, b"{}", "it is not a JSON object")
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return {str(json.loads(name)): value for name, value in pairs}


def _parts(text: bytes, brackets: bytes, otherwise: str) -> list[bytes]:
    # A comma or a colon separates two values.
    text = text.strip(_SPACE)
    if text[:1] + text[-1:] != brackets:
        raise ValueError(otherwise)
    parts, start, at = [], 1, 1
    while at < len(text):
        mark = _MARK.search(text, at)
        assert mark is not None, "the last character is a bracket, which is never inside a string"
        at = mark.end()
        match text[mark.start() : mark.start() + 1]:
            case b"[" | b"{":
                at = _end_of(text, at)
            case b"," | b":" | b"]" | b"}":
                parts.append(text[start : mark.start()].strip(_SPACE))
                start = at
    return _checked(parts, otherwise)


def _end_of(text: bytes, at: int) -> int:
    """Return the end of the bracket opened before `at`, or of `text` if it is not closed."""
    depth = 1
    for mark in _BRACKET.finditer(text, at):
        match text[mark.start() : mark.start() + 1]:
            case b"[" | b"{":
                depth += 1
            case b"]" | b"}":
                depth -= 1
        if depth == 0:
            return mark.end()
    return len(text)


def _checked(parts: list[bytes], otherwise: str) -> list[bytes]:
    if parts == [b""]:
        return []
    if not parts or b"" in parts:
        raise ValueError(otherwise)
    return parts
