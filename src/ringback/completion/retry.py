"""Retry: several tries of one call, within its timeout.

The SDK's own retries are off: they would hide that an earlier try was applied. A try ends by its
own timeout and is never canceled: an interpreter that exits soon after a canceled request may hang
(temporalio 1.35, issue 300 of sdk-python).
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

from ringback.domain.callback import ActivityExecution
from ringback.domain.durations import backoff, check_duration
from ringback.domain.errors import (
    ActivityGoneError,
    EncodingError,
    RefusedByTemporalError,
    RingbackError,
    TemporalBusyError,
    TemporalMisconfiguredError,
    TemporalUnreachableError,
)
from ringback.temporal.rpc import TIMEOUT, Request, ServiceError, to_error

T = TypeVar("T")

DEFAULT_TIMEOUT: Final = timedelta(seconds=10)
"""The default time of a call, which is that of the SDK's own retries."""


@dataclass
class Tries:
    """The time of one call, and the number of its failed tries.

    Attributes:
        total: The time of the whole call.
        monotonic: A clock, in seconds.
        sleep: Sleeps for seconds.
        jitter: A random number from 0 to 1.
        last_error: The error of the last try that failed; `None` before one has.

    Raises:
        TypeError: `total` is not a `timedelta`.
    """

    total: timedelta
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.SystemRandom().random
    last_error: ServiceError | None = field(default=None, init=False)
    _failed: int = field(default=0, init=False)
    _until: float = field(init=False)

    def __post_init__(self) -> None:
        check_duration("rpc_timeout", self.total)
        self._until = self.monotonic() + self.total.total_seconds()

    @property
    def left(self) -> timedelta:
        """The remaining time."""
        return max(timedelta(0), timedelta(seconds=self._until - self.monotonic()))

    async def make(self, request: Request[T]) -> T:
        """Try `request` once; it gets half of the remaining time, so that another try is possible.

        Raises:
            RPCError: The server's error, untranslated; or it did not reply.
            RuntimeError: There is no connection.
        """
        # The server counts timeouts in whole milliseconds.
        try:
            return await request(max(timedelta(milliseconds=1), min(TIMEOUT, self.left / 2)))
        except (RPCError, RuntimeError) as exc:
            self.last_error = exc
            raise

    async def encode(self, encoding: Awaitable[T]) -> T:
        """Return the data converter's result; it gets half of the remaining time.

        Raises:
            EncodingError: It did not return in time, and nothing was sent. Retry later.
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
        """Wait before the next try; return whether there is time for one."""
        self._failed += 1
        delay = backoff(self._failed, jitter=self.jitter())
        if delay >= self.left:
            return False
        await self.sleep(delay.total_seconds())
        return True

    async def read(self, request: Request[T]) -> T:
        """Return the reply to a request that changes nothing, with as many tries as time allows.

        Raises:
            RPCError: The server's error, untranslated; or it did not reply.
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
    """Why a try failed."""

    GONE = auto()
    """Temporal knows no such activity that waits."""

    REFUSED = auto()
    """Temporal rejected it, and nothing has changed."""

    NOT_TAKEN = auto()
    """It did not arrive, or the server was overloaded: nothing has changed, and it may pass."""

    LOST = auto()
    """No reply, or one that leaves open whether it was applied."""


_FAILURES: Final[dict[type[RingbackError], TryFailure]] = {
    ActivityGoneError: TryFailure.GONE,
    RefusedByTemporalError: TryFailure.REFUSED,
    TemporalBusyError: TryFailure.NOT_TAKEN,
    TemporalUnreachableError: TryFailure.LOST,
    # A gateway retries until an operator corrects the configuration; a program fails at once.
    TemporalMisconfiguredError: TryFailure.REFUSED,
}
"""The meaning of each error of `ringback.temporal.rpc` for a call."""

_NEVER_SENT: Final = "connect error"


def classify(exc: ServiceError, about: ActivityExecution | None = None) -> TryFailure:
    """Return why a request `about` an activity that raised `exc` failed."""
    if not isinstance(exc, RPCError) or _was_never_sent(exc):
        return TryFailure.NOT_TAKEN
    return _FAILURES[type(to_error(exc, about))]


def _was_never_sent(exc: RPCError) -> bool:
    # No connection to the address: "tcp connect error" (observed with temporalio 1.35).
    return exc.status is RPCStatusCode.UNAVAILABLE and _NEVER_SENT in exc.message


def quote(exc: ServiceError) -> str:
    """Return the message of the server or the connection."""
    return f"{exc.status.name}: {exc.message}" if isinstance(exc, RPCError) else str(exc)
