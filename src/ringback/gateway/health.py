"""Is it alive, and is it ready?"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ringback.domain.errors import StoreUnavailableError
from ringback.ports.store import DeliveryQueue

logger = logging.getLogger(__name__)


class TemporalStatus(Enum):
    """Whether Temporal can be used; the log says why not."""

    OK = "ok"
    UNREACHABLE = "unreachable"
    MISCONFIGURED = "misconfigured"
    """A server answers, but it is the wrong one, or it rejects the gateway."""


@dataclass(frozen=True, slots=True)
class Health:
    """Answers the probes.

    Attributes:
        queue: The store, which must work: without it no answer can be kept.
        temporal: Returns whether Temporal can be used now; answers are stored either way.
    """

    queue: DeliveryQueue
    temporal: Callable[[], Awaitable[TemporalStatus]]

    def routes(self) -> list[Route]:
        """Return `/healthz` and `/readyz`."""
        return [Route("/healthz", self.healthz), Route("/readyz", self.readyz)]

    async def healthz(self, _: Request) -> Response:
        """The process answers."""
        return JSONResponse({"status": "ok"})

    async def readyz(self, _: Request) -> Response:
        """The process can keep answers; whether it can deliver them now is told beside it."""
        try:
            await self.queue.next_due()
        except StoreUnavailableError as exc:
            # What the database says names hosts; who asks here may be anybody.
            logger.warning("not ready: %s", exc)
            return JSONResponse({"status": "not ready", "store": "unavailable"}, status_code=503)
        temporal = await self.temporal()
        return JSONResponse({"status": "ready", "store": "ok", "temporal": temporal.value})
