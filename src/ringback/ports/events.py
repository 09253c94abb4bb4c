"""The store of events.

The promises of `ringback.ports.store` hold here too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from ringback.domain.event import (
    Event,
    EventEnd,
    EventRecord,
    EventState,
    EventSummary,
    SourceActivity,
)
from ringback.domain.ids import EventId
from ringback.domain.link import Verb


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to store.

    Attributes:
        id: Its id.
        state: `WAITING`, or what became of it at once.
        action: What it asks of a callback, if it waits.
        alias: The alias of the callback, if it waits.
        body: The body of the answer or heartbeat.
        reason: For operators, if it does not wait.
        wait: How long it waits for its alias.
    """

    id: EventId
    state: EventState
    action: Verb | None = None
    alias: str | None = None
    body: bytes | None = field(default=None, repr=False)
    reason: str | None = None
    wait: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class SourceDelivery:
    """A verified request of a source, with the events in it.

    Attributes:
        namespace: The namespace of its callbacks.
        source: The name of the source.
        digest: Of the source, its delivery key and its body; equal deliveries are stored once.
        delivery_key: The provider's name for it, if any.
        headers: The headers to keep, by lower-case name.
        body: The raw body.
        events: At least one event.
    """

    namespace: str
    source: str
    digest: str
    delivery_key: str | None
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    events: Sequence[NewEvent]

    @property
    def id(self) -> EventId:
        """The id of the first event."""
        return self.events[0].id


class EventStore(Protocol):
    """What sources need."""

    async def store_deliveries(self, deliveries: Sequence[SourceDelivery]) -> Sequence[bool]:
        """Store deliveries with their events; return for each whether it is new.

        `False` means that the first copy is committed, or is committed by this call. An event whose
        alias is known is due at once, also if another process adds the alias at the same time.
        """
        ...

    async def claim_events(self, *, limit: int, lease: timedelta) -> Sequence[Event]:
        """Claim waiting events that are due, the longest due first.

        They are due when their alias appears, when they are retried, and when they waited for as
        long as they should. No other process gets them until the lease ends.
        """
        ...

    async def end_events(self, ends: Sequence[EventEnd]) -> None:
        """Store what became of claimed events. A claim that ended changes nothing."""
        ...

    async def postpone_events(self, events: Sequence[tuple[Event, timedelta | None]]) -> None:
        """Give claimed events back, due after a time; `None`: when their alias appears."""
        ...

    async def list_events(
        self,
        namespace: str,
        *,
        source: str | None = None,
        state: EventState | None = None,
        alias: str | None = None,
        before: EventId | None = None,
        limit: int,
    ) -> Sequence[EventSummary]:
        """Return events of a namespace that fit all filters, the newest first."""
        ...

    async def source_activity(
        self, namespace: str, sources: Sequence[str], *, newest: int
    ) -> Sequence[SourceActivity]:
        """Return the activity of each source, of its `newest` events."""
        ...

    async def find_event(self, namespace: str, event_id: EventId) -> EventRecord | None:
        """Return all that is stored of an event of a namespace."""
        ...

    async def replay_event(self, record: EventRecord, events: Sequence[NewEvent]) -> bool:
        """Begin an event again as the first of `events`; add the others to its request.

        `False` means that the event has changed since `record` was read; nothing is stored then. Of
        several calls with one record, one stores something.
        """
        ...

    async def next_event(self) -> timedelta | None:
        """Return the time until an event is due; `None` if none waits."""
        ...
