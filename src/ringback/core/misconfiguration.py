"""Misconfiguration: report a wrong Temporal server, or one that rejects the gateway, once."""

import logging
from datetime import timedelta
from typing import Final

from ringback.domain.errors import TemporalMisconfiguredError
from ringback.ports.clock import Clock

logger = logging.getLogger(__name__)

MEMORY: Final = timedelta(seconds=30)
"""For how long after its last failure an outage lasts: twice the longest wait between two tries."""

_MOST: Final = 100


class Misconfiguration:
    """Why a Temporal server that answers takes no answers.

    Several reasons may last at a time, since callbacks may belong to several namespaces.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin with no reason; `clock` decides how long one lasts."""
        self._clock = clock
        self._seen_at: dict[str, timedelta] = {}

    @property
    def lasts(self) -> bool:
        """Whether a delivery met a wrong server lately."""
        self._forget_old_ones()
        return bool(self._seen_at)

    def record(self, error: TemporalMisconfiguredError) -> None:
        """Log why a delivery failed, unless the same reason was logged for this outage."""
        self._forget_old_ones()
        reason = str(error)
        if reason not in self._seen_at and len(self._seen_at) < _MOST:
            logger.error(
                "Temporal is misconfigured, so answers are stored and retried: %s; check "
                "TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, the API key, the certificate and the "
                "server's data",
                reason,
            )
        self._seen_at[reason] = self._clock.monotonic()

    def _forget_old_ones(self) -> None:
        since = self._clock.monotonic() - MEMORY
        self._seen_at = {reason: at for reason, at in self._seen_at.items() if at > since}
