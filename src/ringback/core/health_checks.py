"""Checks of what the gateway depends on: writes to the store, and the connection to Temporal."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

from ringback.core.services import caught
from ringback.domain.errors import StoreUnavailableError, TemporalMisconfiguredError
from ringback.ports.clock import Clock
from ringback.ports.store import WriteCheck

logger = logging.getLogger(__name__)

VALID_FOR: Final = timedelta(seconds=1)
"""How long a check is valid: probes and scrapes cause at most one write per second."""

WRITE_LIMIT: Final = timedelta(seconds=2)
"""How long a check may take. An answer waits longer for a busy store, but a probe must not."""


class WriteChecker:
    """Commits a small write that leaves nothing behind, and remembers the result for a second."""

    def __init__(self, store: WriteCheck, *, clock: Clock, limit: timedelta = WRITE_LIMIT) -> None:
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


CHECKED_EVERY: Final = timedelta(seconds=10)
"""How often the connection is checked."""


class ConnectionChecker:
    """Checks the connection to Temporal, and logs each change once.

    Attributes:
        is_up: Whether the last check succeeded; `None` before the first.
    """

    def __init__(self, check: Callable[[], Awaitable[None]], *, clock: Clock) -> None:
        """Check with `check`, which raises why Temporal cannot be used."""
        self._check = check
        self._clock = clock
        self._reason: str | None = None
        self.is_up: bool | None = None

    async def run(self) -> None:
        """Check until canceled."""
        while True:
            self._note(await caught(self._check()))
            await self._clock.sleep(CHECKED_EVERY)

    def _note(self, failure: Exception | None) -> None:
        self.is_up = failure is None
        reason = None if failure is None else str(failure)
        if reason == self._reason:
            return
        self._reason = reason
        if reason is None:
            logger.info("Temporal can be used again")
        else:
            logger.error("cannot use Temporal: answers are stored and retried; %s", reason)


OUTAGE_MEMORY: Final = timedelta(seconds=30)
"""How long an outage lasts after its last failure: twice the longest wait between two tries."""

_MOST: Final = 100


class MisconfigurationLog:
    """The reasons why a Temporal server that replies accepts no deliveries.

    Several reasons may exist at a time, since callbacks may belong to several namespaces.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin with no reason; `clock` decides how long one lasts."""
        self._clock = clock
        self._seen_at: dict[str, timedelta] = {}

    @property
    def lasts(self) -> bool:
        """Whether a delivery failed for such a reason recently."""
        self._forget_old_ones()
        return bool(self._seen_at)

    def record(self, error: TemporalMisconfiguredError) -> None:
        """Log why a delivery failed, unless the same reason was logged for this outage."""
        self._forget_old_ones()
        reason = str(error)
        if reason not in self._seen_at and len(self._seen_at) < _MOST:
            logger.error(
                "Temporal is misconfigured: answers are stored and retried; %s; check "
                "TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, the API key, the certificate and the "
                "server's data",
                reason,
            )
        self._seen_at[reason] = self._clock.monotonic()

    def _forget_old_ones(self) -> None:
        since = self._clock.monotonic() - OUTAGE_MEMORY
        self._seen_at = {reason: at for reason, at in self._seen_at.items() if at > since}
