"""A clock that a test sets forward, for what runs beside a real server."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

from ringback.core.services import SystemClock


class LeapingClock(SystemClock):
    """This machine's clock, which leaps by `advance`, and wakes what sleeps until then."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)
        self._leapt = asyncio.Event()

    def now(self) -> datetime:
        return super().now() + self._ahead

    def monotonic(self) -> timedelta:
        return super().monotonic() + self._ahead

    async def sleep(self, delay: timedelta) -> None:
        # Other tasks run, even if there is no time to wait for.
        await super().sleep(timedelta(0))
        until = self.monotonic() + delay
        while (left := until - self.monotonic()) > timedelta(0):
            leapt = self._leapt
            with suppress(TimeoutError):
                await asyncio.wait_for(leapt.wait(), left.total_seconds())

    def advance(self, by: timedelta) -> None:
        """Set the clock forward by `by`, as if that time had passed."""
        self._ahead += by
        self._leapt.set()
        self._leapt = asyncio.Event()
