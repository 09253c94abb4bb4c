"""Connection check: log once why Temporal cannot be used."""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from ringback.core.services import caught
from ringback.domain.errors import TemporalMisconfiguredError
from ringback.ports.clock import Clock

logger = logging.getLogger(__name__)

EVERY: Final = timedelta(seconds=10)
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
            await self._clock.sleep(EVERY)

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


MEMORY: Final = timedelta(seconds=30)
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
        since = self._clock.monotonic() - MEMORY
        self._seen_at = {reason: at for reason, at in self._seen_at.items() if at > since}
