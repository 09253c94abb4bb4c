"""JSON of events: values that rules can read, and that become JSON again with the same numbers.

Whole numbers have any length. A number with a fraction or an exponent keeps its text as long as
rules only select it. Comparing and calculating use its value as a float.
"""

import json
import math
from json.encoder import encode_basestring
from typing import Any, Final

from pydantic_core import from_json

from ringback.domain.exact_json import OUT_OF_RANGE

DEEPEST: Final = 200
"""The deepest nesting of arrays and objects; `pydantic_core` reads no deeper JSON either."""


class _Fraction(float):
    """A number with its text."""

    __slots__ = ("text",)
    text: str


# jmespath compares the name of a value's class with those that a function accepts.
_Fraction.__name__ = "float"


def decode(body: bytes) -> Any:
    """Return the value of JSON in UTF-8.

    Raises:
        ValueError: It is not JSON, or it is nested deeper than `DEEPEST`.
    """
    from_json(body, allow_inf_nan=False)
    return json.loads(body, parse_float=_to_fraction)


def _to_fraction(text: str) -> _Fraction:
    number = _Fraction(text)
    number.text = text
    return number


def encode(value: Any, *, limit: int) -> bytes:
    """Return `value` as JSON.

    Raises:
        ValueError: It would be longer than `limit` bytes or deeper than `DEEPEST`, or it is not
            JSON; the message says which, and has no part of the value.
    """
    encoder = _Encoder(limit)
    encoder.add(value, 0)
    try:
        encoded = "".join(encoder.parts).encode()
    except UnicodeEncodeError:
        msg = "it has half of a surrogate pair, which is not a character"
        raise ValueError(msg) from None
    if len(encoded) > limit:
        raise ValueError(_too_long(limit))
    return encoded


def _too_long(limit: int) -> str:
    return f"it would be longer than {limit:,} bytes; select less of the event"


class _Encoder:
    """Collects the text of a value, which may repeat one part so often that it never ends."""

    def __init__(self, limit: int) -> None:
        self.parts: list[str] = []
        self._limit = limit
        self._left = limit

    def add(self, value: Any, depth: int) -> None:
        match value:
            case str():
                self._put(encode_basestring(value))
            case list() | dict() if depth == DEEPEST:
                msg = f"it would be nested deeper than {DEEPEST} arrays and objects"
                raise ValueError(msg)
            case list():
                self._put("[")
                for place, item in enumerate(value):
                    self._put("," if place else "")
                    self.add(item, depth + 1)
                self._put("]")
            case dict():
                self._put("{")
                for place, (name, item) in enumerate(value.items()):
                    self._put(("," if place else "") + encode_basestring(name) + ":")
                    self.add(item, depth + 1)
                self._put("}")
            case _:
                self._put(_scalar(value))

    def _put(self, text: str) -> None:
        self._left -= len(text)
        if self._left < 0:
            raise ValueError(_too_long(self._limit))
        self.parts.append(text)


def _scalar(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return repr(value)
        case float() if math.isinf(value):
            raise ValueError(OUT_OF_RANGE)
        case _Fraction():
            return value.text
        case float() if not math.isnan(value):
            return repr(value)
        case _:
            msg = "it is not a JSON value"
            raise ValueError(msg)
