"""Bodies that are not plain JSON: forms of pages, and what providers have compressed."""

import asyncio
import zlib
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from ringback.domain.errors import (
    AnswerTooLargeError,
    MalformedAnswerError,
    UnsupportedMediaTypeError,
)
from ringback.gateway.body import LARGE, read_body, run_apart
from ringback.gateway.body_budget import SMALL, claim_bytes

FORM: Final = "application/x-www-form-urlencoded"

_MOST_FIELDS: Final = 20_000
_MOST_DIGITS: Final = 10
_SINGLE: Final = frozenset({"assignees", "ballot", "choice", "csrf", "digest", "id", "reason"})


async def read_form(request: Request, *, limit: int) -> Sequence[tuple[str, str]]:
    """Return the fields of a form, in their order; a name may occur more than once.

    Raises:
        AnswerTooLargeError: The body is longer than `limit` bytes.
        UnsupportedMediaTypeError: It is not a form.
        MalformedAnswerError: It is not valid UTF-8 text, or it has too many fields.
    """
    media_type = request.headers.get("content-type", FORM).partition(";")[0].strip().lower()
    if media_type != FORM:
        msg = f"send the form as {FORM}, not as {media_type}"
        raise UnsupportedMediaTypeError(msg)
    body = await read_body(request, limit=limit)
    return await run_apart(body, lambda: _parse(body))


def to_fields(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the fields by name; of a name that may occur more than once, the last value.

    Raises:
        MalformedAnswerError: A field that has one value occurs twice: it is unclear which is meant.
    """
    fields: dict[str, str] = {}
    for name, text in pairs:
        if name in fields and name in _SINGLE:
            msg = f"the form has the field {name} twice"
            raise MalformedAnswerError(msg)
        fields[name] = text
    return fields


def to_ballot(text: str) -> int:
    """Return the ballot that a form names; 0 if it names none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS else 0


def _parse(body: bytes) -> Sequence[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError as exc:
        msg = f"the form cannot be read: it is not UTF-8 or has over {_MOST_FIELDS} fields"
        raise MalformedAnswerError(msg) from exc


_GZIP: Final = 31
"""zlib's number for a gzip header."""

_FIRST: Final = 32 * 1024
"""Unpack at most this many bytes on the event loop; most webhooks have no more."""


async def unpack_body(request: Request, packed: bytes, *, limit: int) -> bytes:
    """Return what `packed` contains; return `packed` itself if that is not the whole body.

    A body that is cut off, is followed by something, or is no gzip at all is left to the signature:
    some providers sign what they have compressed.

    Raises:
        AnswerTooLargeError: It unpacks to more than `limit` bytes.
        TooManyBytesError: Other bodies use too many bytes.
    """
    unpacker = zlib.decompressobj(_GZIP)
    parts: list[bytes] = []
    size, rest = 0, packed
    try:
        while not unpacker.eof:
            if parts or len(packed) > LARGE:
                part = await asyncio.to_thread(unpacker.decompress, rest, LARGE)
            else:
                part = unpacker.decompress(rest, _FIRST)
            rest = unpacker.unconsumed_tail
            if not (part or rest or unpacker.eof):
                return await _whole(request, packed)
            parts.append(part)
            size += len(part)
            if size > limit:
                raise AnswerTooLargeError(limit)
            whole = len(packed) + size
            await claim_bytes(request, whole if whole <= SMALL else len(packed) + limit)
    except zlib.error:
        return await _whole(request, packed)
    return await _whole(request, packed) if unpacker.unused_data else b"".join(parts)


async def _whole(request: Request, packed: bytes) -> bytes:
    await claim_bytes(request, len(packed))
    return packed
