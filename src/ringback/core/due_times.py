"""Due times: repair those that a clock set back has left far ahead."""

import logging
from datetime import datetime, timedelta
from typing import Final

from ringback.core.activity_poller import PollSchedule
from ringback.core.delivery_failures import LONGEST_ON_WRONG_SERVER
from ringback.core.services import OutageLog, caught
from ringback.core.webhook_sender import LONGEST_WAIT
from ringback.ports.clock import Clock
from ringback.ports.deadlines import DueTimes, LongestWaits

logger = logging.getLogger(__name__)

EVERY: Final = timedelta(seconds=5)
"""The interval at which the clock is compared with the monotonic clock."""

ANYWAY_EVERY: Final = timedelta(minutes=1)
"""The interval of repairs without that sign, since the database may have another clock."""

_STEP: Final = timedelta(seconds=1)
_MARGIN: Final = timedelta(minutes=1)


class DueTimeRepair:
    """Repairs due times at its start, when the clock was set back, and every minute."""

    def __init__(self, due_times: DueTimes, schedule: PollSchedule, *, clock: Clock) -> None:
        """Repair `due_times`; `schedule` says how far ahead a poll may be due."""
        self._due_times = due_times
        self._schedule = schedule
        self._clock = clock
        self._outages = OutageLog(logger, "repair due times")

    async def run(self) -> None:
        """Repair until canceled."""
        began_at = self._origin()
        repaired_at: timedelta | None = None
        while True:
            is_set_back = self._origin() < began_at - _STEP
            began_at = self._origin()
            now = self._clock.monotonic()
            is_time = repaired_at is None or now - repaired_at >= ANYWAY_EVERY
            if is_set_back or is_time:
                self._outages.record(await caught(self.repair()))
                repaired_at = now
            await self._clock.sleep(EVERY)

    async def repair(self) -> None:
        """Repair once.

        Raises:
            StoreUnavailableError: The store could not be reached.
        """
        longest = LongestWaits(
            delivery=LONGEST_ON_WRONG_SERVER + _MARGIN,
            webhook=LONGEST_WAIT,
            poll=2 * self._schedule.longest + _MARGIN,
        )
        repaired = await self._due_times.repair(longest)
        if repaired:
            logger.warning("the clock was set back: %d due times were too far ahead", repaired)

    def _origin(self) -> datetime:
        """Return the wall-clock time at which the monotonic clock started."""
        return self._clock.now() - self._clock.monotonic()
