"""Limits the bytes of request bodies in memory, separately for large and small bodies.

A small body never waits: small ones have a limit of their own, and beyond it get 503. Large bodies
wait for each other, in order, for a few seconds; beyond that they get 503 with `Retry-After`. While
a sender waits, its bytes are in the buffers of its connection, whose sizes are bounded.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.domain.operation_errors import TooManyBytesError
from ringback.gateway.rare_warnings import RareWarning

logger = logging.getLogger(__name__)

SMALL: Final = 64 * 1024
"""Bodies up to this size have a limit of their own, so that large ones cannot block them."""

_SMALL_BYTES: Final = 16 * 1024 * 1024
_LARGE_BYTES: Final = 12 * 1024 * 1024
_LARGEST_BODIES: Final = 6
"""At least this many bodies of the maximum size fit. Each has several copies until its commit."""

MOST_WAITING: Final = 64
"""Maximum large bodies that wait for room."""

LONGEST_WAIT: Final = timedelta(seconds=5)
"""How long a large body waits for room: less than a sender waits for its reply."""

_RETRY_AFTER: Final = timedelta(seconds=2)
_CLAIM: Final = "ringback.body_claim"

BODY_BYTES: Final = "body_bytes"
"""The name of this limit, as in `Hooks.limit_reached`."""


class BodyBudget:
    """An ASGI middleware that counts the bytes of bodies and limits those in memory.

    The bytes of a body count from its start until its answer is committed, or until the reply.
    `hooks` get the sum whenever that of large bodies changes.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        largest: int,
        hooks: Hooks = NO_HOOKS,
        longest_wait: timedelta = LONGEST_WAIT,
    ) -> None:
        """Limit what `app` claims with `claim_bytes`; one body has at most `largest` bytes."""
        self._app = app
        large = max(_LARGE_BYTES, _LARGEST_BODIES * largest)
        self._small = _BytePool("small", _SMALL_BYTES, hooks)
        self._large = _BytePool("large", large, hooks)
        self._large.on_change = lambda: hooks.body_bytes_changed(self.bytes_in_flight)
        self._longest_wait = longest_wait

    @property
    def bytes_in_flight(self) -> int:
        """The bytes that are counted now."""
        return self._small.used + self._large.used

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, and release the bytes of its body afterwards."""
        claim = scope[_CLAIM] = _Claim(self._small, self._large, self._longest_wait)
        try:
            await self._app(scope, receive, send)
        finally:
            claim.release()


async def claim_bytes(request: Request, size: int) -> None:
    """Count `size` bytes for the body of `request`, replacing its earlier claim.

    Wait if other large bodies use too many bytes. Claim all at once: a body that claimed more and
    more would wait for others that do the same.

    Raises:
        TooManyBytesError: Other bodies use too many bytes; nothing is counted for this one.
    """
    claim: _Claim | None = request.scope.get(_CLAIM)
    if claim is not None and claim.size != size and not claim.resize(size):
        await claim.wait(size)


def release_bytes(request: Request) -> None:
    """Stop counting the body of `request`, which has left memory."""
    claim: _Claim | None = request.scope.get(_CLAIM)
    if claim is not None:
        claim.release()


class _BytePool:
    def __init__(self, kind: str, size: int, hooks: Hooks) -> None:
        self._kind = kind
        self._size = size
        self._hooks = hooks
        self._warning = RareWarning(logger)
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.used = 0
        self.on_change: Callable[[], None] | None = None

    def take(self, size: int) -> bool:
        """Count `size` bytes, unless there is no room or others wait for it."""
        if self._waiting or self.used + size > self._size:
            return False
        self._add(size)
        return True

    def give_back(self, size: int) -> None:
        """Stop counting `size` bytes, and let those go on that wait for them."""
        self._add(-size)
        while self._waiting:
            wanted, turn = self._waiting[0]
            if turn.done():
                # It has given up.
                self._waiting.popleft()
            elif self.used + wanted <= self._size:
                self._waiting.popleft()
                self._add(wanted)
                turn.set_result(None)
            else:
                return

    async def wait(self, size: int, *, within: timedelta) -> None:
        """Count `size` bytes as soon as there is room.

        Raises:
            TooManyBytesError: There is no room, or too many wait for it.
        """
        if not within or len(self._waiting) >= MOST_WAITING or size > self._size:
            raise self._refusal()
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        is_used = False
        try:
            async with asyncio.timeout(within.total_seconds()):
                await turn
            is_used = True
        except TimeoutError:
            if turn.cancelled():
                raise self._refusal() from None
            # Its turn came in the same moment.
            is_used = True
        finally:
            if not is_used and turn.done() and not turn.cancelled():
                self.give_back(size)

    def _add(self, size: int) -> None:
        self.used += size
        if self.on_change is not None:
            self.on_change()

    def _refusal(self) -> TooManyBytesError:
        self._hooks.limit_reached(BODY_BYTES)
        self._warning.warn(
            "too many bytes arrive: %s bodies that are not committed use %d of %d bytes; more of"
            " them get 503",
            self._kind,
            self.used,
            self._size,
        )
        msg = "too many bytes are arriving at the same time; send the same again"
        return TooManyBytesError(msg, retry_after=_RETRY_AFTER)


class _Claim:
    """The bytes that one request has claimed."""

    __slots__ = ("_large", "_longest_wait", "_pool", "_small", "size")

    def __init__(self, small: _BytePool, large: _BytePool, longest_wait: timedelta) -> None:
        self._small = small
        self._large = large
        self._longest_wait = longest_wait
        self._pool = small
        self.size = 0

    def resize(self, size: int) -> bool:
        """Count `size` bytes; if there is no room, count nothing and return false."""
        self.release()
        pool = self._small if size <= SMALL else self._large
        if not pool.take(size):
            return False
        self._pool, self.size = pool, size
        return True

    async def wait(self, size: int) -> None:
        """Count `size` bytes as soon as there is room; small bodies do not wait.

        Raises:
            TooManyBytesError: There is no room.
        """
        pool = self._small if size <= SMALL else self._large
        await pool.wait(size, within=self._longest_wait if pool is self._large else timedelta(0))
        self._pool, self.size = pool, size

    def release(self) -> None:
        size, self.size = self.size, 0
        if size:
            self._pool.give_back(size)
