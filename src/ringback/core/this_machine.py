"""This machine's clock and chance, for who is handed no others."""

import asyncio
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)  # noqa: TID251 - this is where time comes in

    def monotonic(self) -> timedelta:
        """See `Clock.monotonic`."""
        return timedelta(seconds=time.monotonic())

    async def sleep(self, delay: timedelta) -> None:
        """See `Clock.sleep`."""
        await asyncio.sleep(delay.total_seconds())


jitter: Final[Callable[[], float]] = random.SystemRandom().random
"""Chance, from 0 to 1."""
