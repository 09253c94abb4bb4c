"""Whether the store accepts writes now, for probes, metrics and `ringback status`."""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Final

from ringback.domain.errors import StoreUnavailableError
from ringback.ports.clock import Clock
from ringback.ports.store import WriteCheck

logger = logging.getLogger(__name__)

VALID_FOR: Final = timedelta(seconds=1)
"""How long a check is valid: probes and scrapes cause at most one write per second."""

LIMIT: Final = timedelta(seconds=2)
"""How long a check may take. An answer waits longer for a busy store, but a probe must not."""


class WriteChecker:
    """Commits a small write that leaves nothing behind, and remembers the result for a second."""

    def __init__(self, store: WriteCheck, *, clock: Clock, limit: timedelta = LIMIT) -> None:
        """Check `store` for at most `limit`."""
        self._store = store
        self._clock = clock
        self._limit = limit
        self._checking = asyncio.Lock()
        self._checked_at: datetime | None = None
        self._is_writable = False

    async def can_write(self) -> bool:
        """Return the result of the latest check; simultaneous callers share one check."""
        async with self._checking:
            if self._is_old():
                self._is_writable = await self._try_to_write()
                self._checked_at = self._clock.now()
            return self._is_writable

    def _is_old(self) -> bool:
        # A clock that is set back must not make a check valid for longer.
        return self._checked_at is None or (abs(self._clock.now() - self._checked_at) >= VALID_FOR)

    async def _try_to_write(self) -> bool:
        # Anyone may cause this, and errors of the database name hosts: only the log has them.
        try:
            async with asyncio.timeout(self._limit.total_seconds()):
                await self._store.check_write()
        except StoreUnavailableError as exc:
            logger.warning("not ready: %s", exc)
            return False
        except TimeoutError:
            seconds = self._limit.total_seconds()
            logger.warning("not ready: the store did not commit a write within %g s", seconds)
            return False
        return True
