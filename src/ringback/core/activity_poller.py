"""Look: learn what Temporal tells nobody outside, for every open callback."""

import logging
from datetime import timedelta
from typing import Final

from ringback.core.observe import Observer
from ringback.core.poll_schedule import EVERY, PollSchedule
from ringback.core.service import OutageLog, caught
from ringback.ports.activity_polls import ActivityPollStore
from ringback.ports.clock import Clock

logger = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=15)
"""For how long no other gateway looks at what this one has taken."""


class ActivityPoller:
    """Looks at the open callbacks that are due, all of a run at once."""

    def __init__(
        self, polls: ActivityPollStore, observer: Observer, schedule: PollSchedule, *, clock: Clock
    ) -> None:
        """Take what is due from `polls`, as fast as `schedule` has it, and let `observer` look."""
        self._polls = polls
        self._observer = observer
        self._schedule = schedule
        self._clock = clock
        self._outages = OutageLog(logger, "look at open callbacks")

    async def run(self) -> None:
        """Look until canceled."""
        while True:
            self._outages.record(await caught(self.poll()))
            await self._clock.sleep(EVERY)

    async def poll(self) -> None:
        """Look at what is due, once.

        Raises:
            RetryableError: The store or Temporal could not be reached.
        """
        due = await self._polls.claim_polls(limit=self._schedule.per_tick, lease=LEASE)
        self._schedule.record(is_behind=due.is_full)
        await self._observer.observe(due.callbacks)
