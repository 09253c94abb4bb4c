"""Connection watch: log why Temporal cannot be used, at the start and when the reason changes."""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from ringback.core.service import caught
from ringback.ports.clock import Clock

logger = logging.getLogger(__name__)

EVERY: Final = timedelta(seconds=10)
"""How often the connection is checked."""


class ConnectionWatch:
    """Checks the connection to Temporal, and logs each change once."""

    def __init__(self, check: Callable[[], Awaitable[None]], *, clock: Clock) -> None:
        """Check by `check`, which raises why Temporal cannot be used."""
        self._check = check
        self._clock = clock
        self._reason: str | None = None

    async def run(self) -> None:
        """Check until canceled."""
        while True:
            self._note(await caught(self._check()))
            await self._clock.sleep(EVERY)

    def _note(self, failure: Exception | None) -> None:
        reason = None if failure is None else str(failure)
        if reason == self._reason:
            return
        self._reason = reason
        if reason is None:
            logger.info("Temporal can be used again")
        else:
            logger.error("cannot use Temporal, so answers are stored and retried: %s", reason)
