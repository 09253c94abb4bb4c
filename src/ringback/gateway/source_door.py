"""What the route for sources needs: the sources, their limits, and where events go."""

from collections.abc import Callable, Mapping
from pathlib import Path

from ringback.core.events import EventService
from ringback.core.hooks import Hooks
from ringback.core.rate_limit import SOURCE_REQUESTS, RateLimit
from ringback.domain.event_errors import UnknownSourceError
from ringback.domain.ids import EventId
from ringback.gateway.source_ledger import SourceLedger
from ringback.ports.clock import Clock
from ringback.sources.config import Source
from ringback.sources.matching import Fetch
from ringback.sources.queue_config import QueueConfig

KeepOffer = Callable[[str, str], Path]
"""Keeps a secret that the provider of a source offers, and returns the file; or raises `OSError`.
"""


class SourceDoor:
    """What the route for sources needs."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        event_service: EventService,
        *,
        queues: Mapping[str, QueueConfig],
        new_event_id: Callable[[], EventId],
        fetch: Fetch | None = None,
        keep_offer: KeepOffer | None = None,
        clock: Clock,
        hooks: Hooks,
    ) -> None:
        """Accept the events of `sources`, each by its name, with `event_service`."""
        self.sources = sources
        self.queues = queues
        self.event_service = event_service
        self.new_event_id = new_event_id
        self.fetch = fetch
        self.ledger = SourceLedger(sources, clock=clock, hooks=hooks)
        self.keep_offer = keep_offer
        self.limits = {
            name: RateLimit(SOURCE_REQUESTS, one.limit, burst=one.limit, clock=clock, hooks=hooks)
            for name, one in sources.items()
            if one.limit is not None
        }

    def find(self, name: str) -> Source:
        """Return a source.

        Raises:
            UnknownSourceError: No source of this name is configured.
        """
        source = self.sources.get(name)
        if source is None:
            raise UnknownSourceError(name)
        return source
