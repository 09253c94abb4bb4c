"""Values that several bodies and parameters of the operator API have."""

import base64
import binascii
import re
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, WithJsonSchema

from ringback.domain.errors import UnknownCallbackError
from ringback.domain.ids import CallbackId

LONGEST: Final = timedelta(days=3650)
LONGEST_TEXT: Final = 1000
ID_PATTERN: Final = "^[A-Za-z0-9_]{1,64}$"
"""What an id of a callback may look like."""

_NUMBER: Final = re.compile(r"\d{1,12}(\.\d{1,6})?", re.ASCII)


def _without_nul(text: str) -> str:
    if "\x00" in text:
        msg = "it has a NUL in it, which no database keeps"
        raise ValueError(msg)
    return text


def _to_bytes(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        msg = "it is not base64"
        # Not from the cause, and without what was given: it may be most of a task token.
        raise ValueError(msg) from None


def _to_seconds(given: object) -> object:
    # A parameter is always text.
    return float(given) if isinstance(given, str) and _NUMBER.fullmatch(given) else given


Text = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_without_nul)]
"""Plain text that the store can keep."""

Name = Annotated[Text, Field(min_length=1)]
"""Text that is not empty."""

Duration = Annotated[
    timedelta,
    Field(gt=timedelta(0), le=LONGEST),
    BeforeValidator(_to_seconds),
    WithJsonSchema({
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST.total_seconds()},
            {"type": "string", "format": "duration"},
        ],
        "description": "Seconds, or an ISO 8601 duration such as `PT90M` or `P2D`.",
    }),
]
"""How long something may take."""

Instant = AwareDatetime
"""An instant with its offset from UTC."""

TaskToken = Annotated[
    bytes,
    Field(min_length=1, max_length=16 * 1024),
    BeforeValidator(_to_bytes),
    WithJsonSchema({"type": "string", "format": "byte", "minLength": 4, "maxLength": 22_000}),
]
"""A task token, in base64."""

Json = Any
"""Any JSON value."""


def to_callback_id(text: str) -> CallbackId:
    """Return the id that `text` is.

    Raises:
        UnknownCallbackError: No callback has such an id.
    """
    if not re.fullmatch(ID_PATTERN, text):
        msg = "this is no id of a callback"
        raise UnknownCallbackError(msg)
    return CallbackId(text)
