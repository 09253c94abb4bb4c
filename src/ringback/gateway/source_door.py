"""What the route for sources needs: the sources, their limits, and a ledger of their requests.

Anybody can send requests that are refused. So they never reach the store, and each source keeps a
bounded number of them in the memory of this gateway.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from ringback.core.events import EventService
from ringback.core.hooks import Hooks
from ringback.core.rate_limit import SOURCE_REQUESTS, RateLimit
from ringback.domain.errors import AnswerTooLargeError, RetryableError, RingbackError
from ringback.domain.event_errors import UnknownSourceError
from ringback.domain.ids import EventId
from ringback.ports.clock import Clock
from ringback.sources.config import Source
from ringback.sources.matching import Fetch
from ringback.sources.queue_config import QueueConfig

MOST_REFUSED: Final = 100
"""The most refused requests of a source that are kept; equal ones in a row are one."""

ACCEPTED: Final = "accepted"
DUPLICATE: Final = "duplicate"
HANDSHAKE: Final = "handshake"
RATE_LIMITED: Final = "rate_limited"
TOO_LARGE: Final = "too_large"
UNAVAILABLE: Final = "unavailable"
UNREADABLE: Final = "unreadable"

NOT_REFUSED: Final = frozenset({ACCEPTED, DUPLICATE, HANDSHAKE, RATE_LIMITED})
"""The results that are no refusals with a diagnosis."""


@dataclass(frozen=True, slots=True)
class RefusedRequests:
    """Requests in a row that were refused for the same reason.

    Attributes:
        reason: For programs.
        message: The diagnosis; it holds no secret, no signature and no payload.
        first_at: When the first one came.
        last_at: When the last one came.
        count: How many there were.
        size: The bytes of the body of the last one, if it was read.
    """

    reason: str
    message: str
    first_at: datetime
    last_at: datetime
    count: int
    size: int | None


class SourceLedger:
    """Counts the requests to each source, and keeps the latest refusals."""

    def __init__(self, names: Iterable[str], *, clock: Clock, hooks: Hooks) -> None:
        """Count for the sources with these names; report each request to `hooks`."""
        self._clock = clock
        self._hooks = hooks
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in names}
        self._refused: dict[str, deque[RefusedRequests]] = {
            name: deque(maxlen=MOST_REFUSED) for name in self._counts
        }
        self.since = clock.now()

    def count(self, source: str, result: str) -> None:
        """Count a request that got its reply."""
        self._counts[source][result] += 1
        self._hooks.source_request_ended(source, result)

    def refuse(self, source: str, reason: str, message: str, *, size: int | None) -> None:
        """Count a request that was refused, and keep the diagnosis."""
        now, kept = self._clock.now(), self._refused[source]
        if kept and (kept[-1].reason, kept[-1].message) == (reason, message):
            kept[-1] = replace(kept[-1], last_at=now, count=kept[-1].count + 1, size=size)
        else:
            kept.append(RefusedRequests(reason, message, now, now, 1, size))
        self.count(source, reason)

    def refuse_for(self, source: str, error: RingbackError, *, size: int | None) -> None:
        """Count a request that failed with `error`."""
        match error:
            case AnswerTooLargeError():
                self.refuse(source, TOO_LARGE, str(error), size=size)
            case RetryableError():
                # What a database says may name hosts.
                said = "the gateway could not store it, so the provider sends it again"
                self.refuse(source, UNAVAILABLE, said, size=size)
            case _:
                self.refuse(source, UNREADABLE, str(error), size=size)

    def counts(self, source: str) -> Mapping[str, int]:
        """Return how many requests had each result since `since`."""
        return dict(self._counts.get(source, {}))

    def refused(self, source: str) -> Sequence[RefusedRequests]:
        """Return the latest refusals of a source, the newest first."""
        return list(self._refused.get(source, ()))[::-1]


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
