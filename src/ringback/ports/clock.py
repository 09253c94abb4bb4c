"""Time, which comes in by argument."""

from datetime import datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time and lets it pass."""

    def now(self) -> datetime:
        """Return this instant, aware, in UTC."""
        ...

    def monotonic(self) -> timedelta:
        """Return a time that only ever grows, whatever the clock is set to.

        Use it where a duration counts.
        """
        ...

    async def sleep(self, delay: timedelta) -> None:
        """Return when `delay` has passed."""
        ...
