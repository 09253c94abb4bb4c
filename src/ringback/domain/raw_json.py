"""JSON cut into its parts, each as the text that it was given as.

Parsing and writing anew would change numbers: `1.10` becomes `1.1`, and a long one is rounded.
"""

import json
import re
from collections.abc import Iterator
from typing import Final

_TEXT: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
"""Finds where a value ends; its numbers stay text, so that none is too long to read."""

_SPACE: Final = re.compile(r"[ \t\n\r]*")


def items(array: bytes) -> list[bytes]:
    """Return the items of an array, each exactly as it was written.

    Raises:
        ValueError: It is not a JSON array.
    """
    text = array.decode().strip(" \t\n\r")
    if not isinstance(_TEXT.decode(text), list):
        msg = "it is not a JSON array"
        raise ValueError(msg)  # noqa: TRY004 - it is about the text, which is not what it should be
    return [text[start:end].encode() for start, end in _values(text, 1)]


def members(obj: bytes) -> dict[str, bytes]:
    """Return the members of an object, each exactly as it was written; of two, the last counts.

    Raises:
        ValueError: It is not a JSON object.
    """
    text = obj.decode().strip(" \t\n\r")
    if not isinstance(_TEXT.decode(text), dict):
        msg = "it is not a JSON object"
        raise ValueError(msg)  # noqa: TRY004 - it is about the text, which is not what it should be
    spans = list(_values(text, 1))
    return {
        str(json.loads(text[slice(*name)])): text[slice(*value)].encode()
        for name, value in zip(spans[::2], spans[1::2], strict=True)
    }


def _values(text: str, at: int) -> Iterator[tuple[int, int]]:
    # The text is known to be good: between two values stands a comma or a colon, and no more.
    while (start := _past_space(text, at)) < len(text) - 1:
        _, end = _TEXT.raw_decode(text, start)
        yield start, end
        at = _past_space(text, end) + 1


def _past_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at
