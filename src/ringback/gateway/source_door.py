"""What the route for sources needs: the sources, their limits, and where events go."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from ringback.core.events import EventService
from ringback.core.hooks import Hooks
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

_SECOND: Final = timedelta(seconds=1)


@dataclass(slots=True)
class RateLimit:
    """A limit of requests per second; as many may come at once.

    Attributes:
        per_second: The limit.
        clock: Tells the time that has passed.
    """

    per_second: int
    clock: Clock
    _left: float = field(init=False)
    _at: timedelta = field(init=False)

    def __post_init__(self) -> None:
        """Begin with all that may come at once."""
        self._left, self._at = float(self.per_second), self.clock.monotonic()

    def allows_one_more(self) -> bool:
        """Return whether one more request may come now, and count it."""
        now = self.clock.monotonic()
        earned = (now - self._at) / _SECOND * self.per_second
        self._left, self._at = min(self.per_second, self._left + earned), now
        if self._left < 1:
            return False
        self._left -= 1
        return True


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
            name: RateLimit(one.limit, clock)
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
