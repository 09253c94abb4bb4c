"""Look: learn what Temporal tells nobody outside, for every open callback."""

import logging
from datetime import timedelta
from typing import Final

from ringback.core.observe import Observer
from ringback.core.rhythm import EVERY, Rhythm
from ringback.core.service import Trouble, caught
from ringback.ports.clock import Clock
from ringback.ports.keeping import Keeping

logger = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=15)
"""For how long no other gateway looks at what this one has taken."""


class Looker:
    """Looks at the open callbacks that are due, all of a run at once."""

    def __init__(
        self, keeping: Keeping, observer: Observer, rhythm: Rhythm, *, clock: Clock
    ) -> None:
        """Take what is due from `keeping`, as fast as `rhythm` has it, and let `observer` look."""
        self._keeping = keeping
        self._observer = observer
        self._rhythm = rhythm
        self._clock = clock
        self._trouble = Trouble(logger, "look at open callbacks")

    async def run(self) -> None:
        """Look until canceled."""
        while True:
            self._trouble.note(await caught(self.look()))
            await self._clock.sleep(EVERY)

    async def look(self) -> None:
        """Look at what is due, once.

        Raises:
            RetryableError: The store or Temporal could not be reached.
        """
        due = await self._keeping.claim_looks(limit=self._rhythm.per_tick, lease=LEASE)
        self._rhythm.note(is_behind=due.is_full)
        await self._observer.observe(due.callbacks)
