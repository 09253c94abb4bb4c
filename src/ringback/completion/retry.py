"""Retry: one call of the user's may take several tries, in the time that it has.

The SDK is never asked to retry by itself: it would hide that an earlier try was applied. A try is
ended by its own timeout, and never canceled: an interpreter that ends soon after a canceled
request may hang (temporalio 1.35, issue 300 of sdk-python).
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto
from typing import Final, TypeVar

from temporalio.service import RPCError, RPCStatusCode

from ringback.domain.backoff import backoff
from ringback.domain.callback import ActivityExecution
from ringback.domain.durations import check_duration
from ringback.domain.errors import (
    ActivityGoneError,
    EncodingError,
    RefusedByTemporalError,
    RingbackError,
    TemporalBusyError,
    TemporalMisconfiguredError,
    TemporalUnreachableError,
)
from ringback.temporal.rpc import TIMEOUT, Request
from ringback.temporal.translate import ServiceError, to_error

T = TypeVar("T")

DEFAULT_TIMEOUT: Final = timedelta(seconds=10)
"""What a call may take that is not told otherwise; it is what the SDK's own retries may take."""


@dataclass
class Tries:
    """The time of one call, and how often it has failed.

    Attributes:
        total: What the whole call may take.
        monotonic: A clock, in seconds.
        sleep: Lets seconds pass.
        jitter: Chance, from 0 to 1.

    Raises:
        TypeError: What the call may take is no `timedelta`; give one.
    """

    total: timedelta
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.SystemRandom().random
    _failed: int = field(default=0, init=False)
    _until: float = field(init=False)

    def __post_init__(self) -> None:
        check_duration("rpc_timeout", self.total)
        self._until = self.monotonic() + self.total.total_seconds()

    @property
    def left(self) -> timedelta:
        """What is left of the time."""
        return max(timedelta(0), timedelta(seconds=self._until - self.monotonic()))

    async def make(self, request: Request[T]) -> T:
        """Make one try of `request`; it gets half of what is left, so that there may be another.

        Raises:
            RPCError: The server's answer, untranslated; or that there was none.
            RuntimeError: There is no connection.
        """
        # The server's clock of a timeout has whole milliseconds.
        return await request(max(timedelta(milliseconds=1), min(TIMEOUT, self.left / 2)))

    async def encode(self, encoding: Awaitable[T]) -> T:
        """Return what the data converter makes; it gets half of what is left, and the tries follow.

        Raises:
            EncodingError: It did not return in time, and nothing was sent. Try again later.
            TimeoutError: The data converter's own.
        """
        limit = asyncio.timeout((self.left / 2).total_seconds())
        try:
            async with limit:
                return await encoding
        except TimeoutError as exc:
            if not limit.expired():
                raise
            half = self.total.total_seconds() / 2
            msg = f"the data converter did not return within {half:g} s; nothing was sent"
            raise EncodingError(msg) from exc

    async def pause(self) -> bool:
        """Wait before the next try; tell whether there is time for one."""
        self._failed += 1
        delay = backoff(self._failed, jitter=self.jitter())
        if delay >= self.left:
            return False
        await self.sleep(delay.total_seconds())
        return True

    async def read(self, request: Request[T]) -> T:
        """Return what a request that changes nothing answers, after as many tries as there is time.

        Raises:
            RPCError: The server's answer, untranslated; or that there was none.
            RuntimeError: There is no connection.
        """
        while True:
            try:
                return await self.make(request)
            except (RPCError, RuntimeError) as exc:
                may_pass = classify(exc) in {TryFailure.NOT_TAKEN, TryFailure.LOST}
                if not may_pass or not await self.pause():
                    raise


class TryFailure(Enum):
    """How a try failed."""

    GONE = auto()
    """Temporal knows no such activity that waits."""

    REFUSED = auto()
    """Temporal will not take it, and nothing has changed."""

    NOT_TAKEN = auto()
    """It did not get there, or there was no room for it: nothing has changed, and it may pass."""

    LOST = auto()
    """No reply, or one that does not say whether it was applied."""


_FAILURES: Final[dict[type[RingbackError], TryFailure]] = {
    ActivityGoneError: TryFailure.GONE,
    RefusedByTemporalError: TryFailure.REFUSED,
    TemporalBusyError: TryFailure.NOT_TAKEN,
    TemporalUnreachableError: TryFailure.LOST,
    # A gateway retries until somebody corrects the configuration; a program is told at once.
    TemporalMisconfiguredError: TryFailure.REFUSED,
}
"""What each error of `ringback.temporal.translate` means for a call."""

_NEVER_SENT: Final = "connect error"


def classify(exc: ServiceError, about: ActivityExecution | None = None) -> TryFailure:
    """Return how a request `about` an activity failed that raised `exc`."""
    if not isinstance(exc, RPCError) or _was_never_sent(exc):
        return TryFailure.NOT_TAKEN
    return _FAILURES[type(to_error(exc, about))]


def _was_never_sent(exc: RPCError) -> bool:
    # The client found nobody at the address: "tcp connect error" (observed with temporalio 1.35).
    return exc.status is RPCStatusCode.UNAVAILABLE and _NEVER_SENT in exc.message


def quote(exc: ServiceError) -> str:
    """Return what the server, or the connection, said."""
    return f"{exc.status.name}: {exc.message}" if isinstance(exc, RPCError) else str(exc)
