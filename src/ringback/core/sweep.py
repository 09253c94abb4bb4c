"""Sweep: look at every open callback, again and again."""

import logging
from datetime import timedelta
from typing import Final

from ringback.core.observe import Observer
from ringback.core.service import Trouble, caught
from ringback.domain.callback import State
from ringback.domain.ids import CallbackId
from ringback.ports.clock import Clock
from ringback.ports.store import CallbackIndex

logger = logging.getLogger(__name__)

EVERY: Final = timedelta(seconds=1)
PAGE: Final = 50
"""How many open callbacks are looked at in one turn: what bounds the requests to Temporal."""


class Sweeper:
    """Walks the open callbacks, round and round, a page at a time."""

    def __init__(self, index: CallbackIndex, observer: Observer, *, clock: Clock) -> None:
        """Walk the callbacks of `index`, and let `observer` look at them."""
        self._index = index
        self._observer = observer
        self._clock = clock
        self._after: CallbackId | None = None
        self._trouble = Trouble(logger, "sweep")

    async def run(self) -> None:
        """Sweep until canceled."""
        while True:
            self._trouble.note(await caught(self.sweep()))
            await self._clock.sleep(EVERY)

    async def sweep(self) -> None:
        """Look at the next page of open callbacks, once.

        Raises:
            RetryableError: The store or Temporal could not be reached.
        """
        page = await self._index.page(states=frozenset({State.OPEN}), after=self._after, limit=PAGE)
        self._after = page[-1].id if len(page) == PAGE else None
        await self._observer.observe(page)
