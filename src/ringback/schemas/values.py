"""Types of values in requests: text, durations, task tokens."""

import base64
import binascii
import re
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from ringback.domain.durations import LONGEST_DURATION, parse_duration

LONGEST_TEXT: Final = 1000
ID_PATTERN: Final = "^[A-Za-z0-9_]{1,64}$"
"""The form of a callback's id."""

_NUMBER: Final = re.compile(r"\d{1,12}(\.\d{1,6})?", re.ASCII)


def _without_nul(text: str) -> str:
    if "\x00" in text:
        msg = "it contains a NUL character, which no database stores"
        raise ValueError(msg)
    return text


def _to_bytes(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        msg = "it is not base64"
        # Without the cause, which contains the input: most of a task token.
        raise ValueError(msg) from None


def _to_timedelta(given: object) -> object:
    if not isinstance(given, str):
        return given
    # A query parameter is always text, even a number of seconds.
    return float(given) if _NUMBER.fullmatch(given) else parse_duration(given)


Text = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_without_nul)]
"""Plain text that the store can hold."""

Name = Annotated[Text, Field(min_length=1)]
"""Text that is not empty."""

Duration = Annotated[
    timedelta,
    Field(gt=timedelta(0), le=LONGEST_DURATION),
    BeforeValidator(_to_timedelta),
    WithJsonSchema({
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST_DURATION.total_seconds()},
            {"type": "string", "examples": ["90m", "PT2H"]},
        ],
        "description": "Seconds, or text such as `90m`, `1h30m`, `2d` or `PT2H` (ISO 8601).",
    }),
]
"""How long something may take."""

Timeout = Annotated[
    timedelta,
    Field(gt=timedelta(0)),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "description": "In seconds."}),
]
"""A timeout that Temporal set; it may be longer than Ringback's own durations."""

TaskToken = Annotated[
    bytes,
    Field(min_length=1, max_length=16 * 1024),
    BeforeValidator(_to_bytes),
    WithJsonSchema({"type": "string", "format": "byte", "minLength": 4, "maxLength": 22_000}),
]
"""A task token, in base64."""

CallbackId = Annotated[str, Field(examples=["cb_0dj0q6nk5g1e2b3a4c5d6e7f8g"])]
"""The id of a callback."""

Json = Any
"""Any JSON value."""
