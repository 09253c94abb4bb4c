"""Warnings that requests cause: few lines, however many requests there are."""

import logging
import time
from datetime import datetime, timedelta
from typing import Final

from ringback.ports.clock import Clock

logger = logging.getLogger(__name__)

PERIOD: Final = timedelta(hours=1)

MOST_WARNINGS: Final = 10
"""Maximum warnings per `PERIOD`: anyone can send links with invented key ids."""

MOST_REMEMBERED: Final = 1000
"""Maximum key ids that are remembered, so that each is logged once."""

_EVERY_SECONDS: Final = 60


class RareWarning:
    """Logs a warning at most once a minute."""

    def __init__(self, log: logging.Logger) -> None:
        """Log to `log`."""
        self._log = log
        self._silent_until = 0.0

    def warn(self, message: str, *values: object) -> None:
        """Log this warning, unless one was logged within the last minute."""
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + _EVERY_SECONDS
            self._log.warning(message, *values)


class UnknownKeyLog:
    """Logs once each unknown key id of a link, with bounded memory and a bounded number of lines.

    A worker whose gateway has other link keys is a common mistake, and its links only get 404.
    """

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
            "link of an unknown key refused: this gateway does not have the key %s; does a worker"
            " use another RINGBACK_DATA, RINGBACK_STORE or key file?",
            key_id,
        )

    def _may_warn(self) -> bool:
        now = self._clock.now()
        if self._began_at is None or not timedelta(0) <= now - self._began_at < PERIOD:
            self._began_at, self._warnings = now, 0
        self._warnings += 1
        return self._warnings <= MOST_WARNINGS
