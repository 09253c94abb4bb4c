"""What waits in the store: read at each scrape of the metrics, and for `ringback status`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, Protocol

from ringback.domain.ids import CallbackId

MOST: Final = 2_000
"""Maximum rows of one kind that a scrape reads: some milliseconds."""


SHOWN_FOR: Final = timedelta(days=1)
"""How long a webhook that was given up is something to look at: nothing is left to wait for."""


class Countable(Enum):
    """The groups of callbacks that are counted; each has an index, in the order of ids."""

    NOT_CLOSED = "not closed"
    """`open`, `accepted` and `parked`."""

    ACCEPTED = "accepted"
    PARKED = "parked"
    APPLIED = "applied"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits, of one kind.

    Attributes:
        count: How many were counted, at most `MOST`.
        since: When the oldest of them began to wait.
    """

    count: int
    since: datetime | None

    @property
    def is_all(self) -> bool:
        """Whether all were counted."""
        return self.count < MOST


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What waits, of all kinds, at one moment.

    Attributes:
        at: The moment, by the clock of the store.
        undelivered: The outcomes that are accepted and not yet delivered.
        events: The events of sources that wait for their callback.
        parked: How many outcomes are parked, at most `MOST`.
        overdue_since: The earliest deadline of an open callback that has passed.
    """

    at: datetime
    undelivered: Waiting
    events: Waiting
    parked: int
    overdue_since: datetime | None


@dataclass(frozen=True, slots=True)
class Troubles:
    """What an operator should look at.

    Attributes:
        overdue: The first overdue callbacks, the longest overdue first.
        parked: The first parked callbacks.
        undelivered: The callbacks whose answers have waited longest, among those due first.
        failing_webhooks: How many of the webhooks that are due next have failed and are retried.
        failing_notifications: The same of messages to people, by channel.
        given_up_webhooks: The callbacks of webhooks that were given up within a day, the latest
            first.
        link_keys: The ids of the keys that signed the links of the oldest open callbacks,
            unless the links have expired.
        given_up_notifications: The open callbacks with messages that were given up, by channel.
    """

    overdue: tuple[CallbackId, ...]
    parked: tuple[CallbackId, ...]
    undelivered: tuple[CallbackId, ...]
    failing_webhooks: int
    failing_notifications: dict[str, int]
    given_up_webhooks: tuple[CallbackId, ...]
    given_up_notifications: dict[str, tuple[CallbackId, ...]]
    link_keys: frozenset[str]


class GaugeStore(Protocol):
    """Reads what waits, by indexes: no call reads a number of rows that grows with the store."""

    async def snapshot(self) -> Snapshot:
        """Return what waits now."""
        ...

    async def troubles(self, *, most: int) -> Troubles:
        """Return what an operator should look at; at most so many callbacks of each kind."""
        ...

    async def count_page(
        self, what: Countable, after: CallbackId, *, limit: int
    ) -> tuple[int, CallbackId | None]:
        """Count at most `limit` callbacks whose ids follow `after`; return the last one counted.

        It is `None` if there are no more.
        """
        ...

    async def link_keys(self) -> frozenset[str]:
        """Return the ids of the keys that signed the links of the oldest open callbacks."""
        ...

    async def oldest_undelivered(self) -> datetime | None:
        """Return what `Snapshot.undelivered` may not have read: when the oldest was accepted.

        It reads the index of all of them, so no scrape calls it.
        """
        ...
