"""JSON whose numbers keep their exact value, and the check that other programs can read them."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final

_NUMBER: Final = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?")
OUT_OF_RANGE: Final = (
    "a number is out of range: most programs read numbers beyond 1.8e308 as infinite, which is not"
    " JSON; send it as a string"
)

_MAY_BE_INFINITE: Final = re.compile(rb"[eE]\+?\d{3}|\d{300}")
"""Numbers are in range unless this matches; it matches few bodies."""


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
