"""The clock, which every service receives as an argument."""

from datetime import datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Reads the time, and waits."""

    def now(self) -> datetime:
        """Return the current time, in UTC."""
        ...

    def monotonic(self) -> timedelta:
        """Return a time that only increases, also when the clock is set back.

        Use it to measure durations.
        """
        ...

    async def sleep(self, delay: timedelta) -> None:
        """Wait for `delay`."""
        ...
