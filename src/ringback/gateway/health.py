"""Readiness: whether answers can be committed now, and whether Temporal can be used."""

from collections.abc import Awaitable, Callable
from enum import Enum

from starlette.responses import JSONResponse, Response

from ringback.core.health_checks import WriteChecker


class TemporalStatus(Enum):
    """Whether Temporal can be used; the log says why not."""

    OK = "ok"
    UNREACHABLE = "unreachable"
    MISCONFIGURED = "misconfigured"
    """A server answers, but it is the wrong one, or it rejects the gateway."""


class Health:
    """Checks the store and Temporal for readiness probes.

    Attributes:
        can_write: Returns whether the store accepts writes now.
        temporal: Returns whether Temporal can be used now.
    """

    def __init__(
        self, writes: WriteChecker, temporal: Callable[[], Awaitable[TemporalStatus]]
    ) -> None:
        """Check the store with `writes`.

        The reply reports `temporal`, but the gateway is ready without it: it stores answers.
        """
        self.can_write = writes.can_write
        self.temporal = temporal

    async def check(self) -> Response:
        """Return 200 if answers can be committed now, and 503 if not."""
        if not await self.can_write():
            return JSONResponse({"status": "not ready", "store": "unavailable"}, status_code=503)
        temporal = await self.temporal()
        return JSONResponse({"status": "ready", "store": "ok", "temporal": temporal.value})
