"""JSON without loss: numbers that keep their exact value, and parts that keep their bytes.

Parsing and encoding again would change numbers: `1.10` becomes `1.1`, and long ones are rounded.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

_NUMBER: Final = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?")
OUT_OF_RANGE: Final = (
    "a number is out of range: most programs read numbers beyond 1.8e308 as infinite, which is not"
    " JSON; send it as a string"
)

_MAY_BE_INFINITE: Final = re.compile(rb"[0-9](?:[eE]\+?[0-9]{3}|[0-9]{299})")
"""Numbers are in range unless this matches, which is rare. It begins with one set of characters, so
that the search skips the others: that takes a quarter of the time."""


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number; equal numbers are equal however they are written.

    Attributes:
        digits: The digits with the sign, without leading or trailing zeros; empty for 0.
        exponent: The power of ten of the last digit.
    """

    digits: str
    exponent: int | str


def parse_exactly(body: bytes) -> Any:
    """Parse JSON with each number as a `Number`: a float would be rounded."""
    return json.loads(body, parse_int=_to_number, parse_float=_to_number)


def has_infinite_number(body: bytes) -> bool:
    """Return whether JSON has a number that no float can hold, such as `1e400`."""
    if _MAY_BE_INFINITE.search(body) is None:
        return False
    floats: list[str] = []
    json.loads(body, parse_int=str, parse_float=floats.append)
    return any(math.isinf(float(text)) for text in floats)


def _to_number(text: str) -> Number:
    match = _NUMBER.fullmatch(text)
    assert match is not None, "the JSON parser found a number"
    sign, whole, fraction, power = match.groups(default="")
    every = whole + fraction
    digits = every.strip("0")
    if not digits:
        return Number("", 0)
    zeros = len(every) - len(every.rstrip("0"))
    try:
        return Number(sign + digits, int(power or "0") - len(fraction) + zeros)
    except ValueError:
        # Python's int() limits the length, so a longer exponent stays text.
        return Number(sign + digits, f"{power}-{len(fraction)}+{zeros}")


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


def escape_step(step: str | int) -> str:
    """Return one step of a JSON Pointer: the name of a member, or the index of an item."""
    return str(step).replace("~", "~0").replace("/", "~1")


def resolve(root: Any, reference: str) -> Any:
    """Return the target of a `$ref` within `root`; `None` if it is not a JSON Pointer."""
    if reference == "#":
        return root
    if not reference.startswith("#/"):
        return None
    found = root
    for step in reference[2:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and name not in found:
            # A `$ref` is a URL, so its fragment may be percent-encoded.
            name = unquote(name)
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found
