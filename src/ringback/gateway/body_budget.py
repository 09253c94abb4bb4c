"""Limits the bytes of request bodies in memory, separately for large and small bodies."""

import logging
from datetime import timedelta
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ringback.domain.errors import TooManyBytesError
from ringback.gateway.rare_warnings import RareWarning

logger = logging.getLogger(__name__)

_SMALL: Final = 64 * 1024
"""Bodies up to this size have a limit of their own, so that large ones cannot block them."""

_SMALL_BYTES: Final = 16 * 1024 * 1024
_LARGE_BYTES: Final = 64 * 1024 * 1024
_LARGEST_BODIES: Final = 8
"""At least this many bodies of the maximum size fit."""

_RETRY_AFTER: Final = timedelta(seconds=2)
_CLAIM: Final = "ringback.body_claim"


class BodyBudget:
    """An ASGI middleware that counts the bytes of bodies and rejects bodies beyond the limit.

    The bytes of a body count from its start until its answer is committed, or until the reply.
    """

    def __init__(self, app: ASGIApp, *, largest: int) -> None:
        """Limit what `app` claims with `claim_bytes`; one body has at most `largest` bytes."""
        self._app = app
        small, large = _SMALL_BYTES, max(_LARGE_BYTES, _LARGEST_BODIES * largest)
        self._small = _Pool("small", small)
        self._large = _Pool("large", large)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, and release the bytes of its body afterwards."""
        claim = scope[_CLAIM] = _Claim(self._small, self._large)
        try:
            await self._app(scope, receive, send)
        finally:
            claim.resize(0)


def claim_bytes(request: Request, size: int) -> None:
    """Count `size` bytes for the body of `request`, replacing its earlier claim.

    Raises:
        TooManyBytesError: Other bodies use too many bytes; nothing is counted for this one.
    """
    claim: _Claim | None = request.scope.get(_CLAIM)
    if claim is not None:
        claim.resize(size)


def release_bytes(request: Request) -> None:
    """Stop counting the body of `request`, which has left memory."""
    claim_bytes(request, 0)


class _Pool:
    def __init__(self, kind: str, size: int) -> None:
        self.kind = kind
        self.size = size
        self.free = size
        self._warning = RareWarning(logger)

    def take(self, size: int) -> None:
        if size > self.free:
            self._warning.warn(
                "%s bodies that are not committed use %d of %d bytes; more of them get 503",
                self.kind,
                self.size - self.free,
                self.size,
            )
            msg = "too many bytes are arriving at the same time; send the same again"
            raise TooManyBytesError(msg, retry_after=_RETRY_AFTER)
        self.free -= size


class _Claim:
    """The bytes that one request has claimed."""

    def __init__(self, small: _Pool, large: _Pool) -> None:
        self._small = small
        self._large = large
        self._pool = small
        self._size = 0

    def resize(self, size: int) -> None:
        self._pool.free += self._size
        self._size = 0
        if size:
            self._pool = self._small if size <= _SMALL else self._large
            self._pool.take(size)
            self._size = size
