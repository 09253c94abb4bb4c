"""Warnings about links that were signed with a key that this gateway does not have."""

import logging
from datetime import datetime, timedelta
from typing import Final

from ringback.ports.clock import Clock

logger = logging.getLogger(__name__)

PERIOD: Final = timedelta(hours=1)

MOST_WARNINGS: Final = 10
"""Maximum warnings per `PERIOD`: anyone can send links with invented key ids."""

MOST_REMEMBERED: Final = 1000
"""Maximum key ids that are remembered, so that each is logged once."""


class UnknownKeys:
    """Logs each unknown key id once, with bounded memory and a bounded number of lines."""

    def __init__(self, clock: Clock) -> None:
        """Measure `PERIOD` by `clock`."""
        self._clock = clock
        self._reported: set[str] = set()
        self._began_at: datetime | None = None
        self._warnings = 0

    @property
    def remembered(self) -> int:
        """How many key ids are remembered."""
        return len(self._reported)

    def report(self, key_id: str) -> None:
        """Log that a link of the key `key_id` was refused, unless that was logged before."""
        if key_id in self._reported or not self._may_warn():
            return
        if len(self._reported) >= MOST_REMEMBERED:
            self._reported.clear()
        self._reported.add(key_id)
        logger.warning(
            "refused a link signed by the key %s, which this gateway does not have; does a worker"
            " use another RINGBACK_DATA, RINGBACK_STORE or key file?",
            key_id,
        )

    def _may_warn(self) -> bool:
        now = self._clock.now()
        if self._began_at is None or not timedelta(0) <= now - self._began_at < PERIOD:
            self._began_at, self._warnings = now, 0
        self._warnings += 1
        return self._warnings <= MOST_WARNINGS
