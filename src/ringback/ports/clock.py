"""Time, which comes in by argument."""

from datetime import datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time and lets it pass."""

    def now(self) -> datetime:
        """Return this instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only ever grow; use them where a duration counts."""
        ...

    async def sleep(self, delay: timedelta) -> None:
        """Return when `delay` has passed."""
        ...
