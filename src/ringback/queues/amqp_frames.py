"""Frames of AMQP that the driver cannot decode.

A broker passes on what a publisher wrote: a time in microseconds, or a name that is not UTF-8. The
driver ends the connection then. The broker sends the message again, and so it stops the queue.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from pamqp.commands import Basic
from pamqp.header import ContentHeader

_Decode: TypeAlias = Callable[[Any, bytes], None]

_ERRORS: Final = (ArithmeticError, LookupError, RecursionError, TypeError, ValueError, struct.error)


def tolerate_unreadable_fields() -> None:
    """Let the driver leave out what it cannot decode of a message, and what follows it.

    What comes before is kept: it decodes one field after the other into the frame.
    """
    frames: Sequence[tuple[Any, str]] = [
        (Basic.Deliver, "delivery_tag"),
        (ContentHeader, "class_id"),
    ]
    for frame, known in frames:
        if frame.unmarshal.__module__ != __name__:
            frame.unmarshal = _tolerant(frame.unmarshal, known)


def _tolerant(decode: _Decode, known: str) -> _Decode:
    def unmarshal(self: Any, data: bytes) -> None:
        try:
            decode(self, data)
        except _ERRORS:
            # Without this, nobody knows which message it is, or how long.
            if getattr(self, known) is None:
                raise

    return unmarshal
