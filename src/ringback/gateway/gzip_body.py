"""Unpacks gzip bodies step by step: each step counts in the body budget before the next begins."""

import asyncio
import zlib
from typing import Final

from starlette.requests import Request

from ringback.domain.errors import AnswerTooLargeError
from ringback.gateway.body import LARGE
from ringback.gateway.body_budget import SMALL, claim_bytes

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
