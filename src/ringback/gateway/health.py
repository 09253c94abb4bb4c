"""Readiness: whether answers can be committed now, and whether Temporal can be used."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from starlette.responses import JSONResponse, Response

from ringback.domain.errors import StoreUnavailableError
from ringback.ports.clock import Clock
from ringback.ports.store import WriteCheck

logger = logging.getLogger(__name__)

_VALID_FOR: Final = timedelta(seconds=1)
"""How long a check of the store is valid: probes cause at most one write per second."""

_LIMIT: Final = timedelta(seconds=2)
"""How long a check may take. An answer waits longer for a busy store, but a probe must not."""


class TemporalStatus(Enum):
    """Whether Temporal can be used; the log says why not."""

    OK = "ok"
    UNREACHABLE = "unreachable"
    MISCONFIGURED = "misconfigured"
    """A server answers, but it is the wrong one, or it rejects the gateway."""


class Health:
    """Checks the store and Temporal for readiness probes.

    Attributes:
        temporal: Returns whether Temporal can be used now.
    """

    def __init__(
        self,
        store: WriteCheck,
        temporal: Callable[[], Awaitable[TemporalStatus]],
        *,
        clock: Clock,
        limit: timedelta = _LIMIT,
    ) -> None:
        """Check `store` for at most `limit`.

        The reply reports `temporal`, but the gateway is ready without it: it stores answers.
        """
        self._store = store
        self.temporal = temporal
        self._clock = clock
        self._limit = limit
        self._checking = asyncio.Lock()
        self._checked_at: datetime | None = None
        self._is_writable = False

    async def check(self) -> Response:
        """Return 200 if answers can be committed now, and 503 if not."""
        if not await self.can_write():
            return JSONResponse({"status": "not ready", "store": "unavailable"}, status_code=503)
        temporal = await self.temporal()
        return JSONResponse({"status": "ready", "store": "ok", "temporal": temporal.value})

    async def can_write(self) -> bool:
        """Return the result of the latest check; simultaneous probes share one check."""
        async with self._checking:
            if self._is_old():
                self._is_writable = await self._try_to_write()
                self._checked_at = self._clock.now()
            return self._is_writable

    def _is_old(self) -> bool:
        # A clock that is set back must not make a check valid for longer.
        return self._checked_at is None or (abs(self._clock.now() - self._checked_at) >= _VALID_FOR)

    async def _try_to_write(self) -> bool:
        # Anyone may call this, and errors of the database name hosts: only the log has them.
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
