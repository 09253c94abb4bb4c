"""Events: what a source sent, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from ringback.domain.ids import CallbackId, EventId
from ringback.domain.link import Verb


class EventState(Enum):
    """What became of an event."""

    WAITING = "waiting"
    """It waits for its alias, or for its turn."""
    MATCHED = "matched"
    """Its callback accepted it as an answer or a heartbeat."""
    IGNORED = "ignored"
    """No rule uses it, or its callback already had an answer."""
    UNMATCHED = "unmatched"
    """No open callback has its alias, and it waits no longer."""
    DEAD = "dead"
    """It cannot be used: a rule failed, or the callback refused it."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event that waits.

    Attributes:
        id: Its id.
        source: The name of its source.
        received_at: When it was stored.
        action: What it asks of the callback.
        alias: The alias of the callback.
        body: The body of the answer or heartbeat; `None` is an empty one.
        waits_until: How long it waits for its alias.
        tries: How often it was claimed.
        claimed_until: When the claim ends; the store ignores what comes of an older claim.
        callback_id: The callback that had the alias when the event came, once that has ended and
            another has the alias.
    """

    id: EventId
    source: str
    received_at: datetime
    action: Verb
    alias: str
    body: bytes | None = field(repr=False)
    waits_until: datetime
    tries: int
    claimed_until: datetime
    callback_id: CallbackId | None = None


@dataclass(frozen=True, slots=True)
class EventEnd:
    """What became of an event.

    Attributes:
        event: The event.
        state: Never `WAITING`.
        reason: For operators; `None` if there is nothing to say.
        callback_id: The callback that it led to, if any.
    """

    event: Event
    state: EventState
    reason: str | None = None
    callback_id: CallbackId | None = None


@dataclass(frozen=True, slots=True)
class EventSummary:
    """What operators see of an event: everything but its body.

    Attributes:
        id: Its id.
        source: The name of its source.
        delivery_key: The provider's name for the delivery that it came with, if any.
        received_at: When it was stored.
        state: What became of it.
        action: What it asks of a callback, unless no rule uses it.
        alias: The alias of the callback, unless no rule uses it.
        waits_until: How long it waits for its alias, if it waits.
        tries: How often it was led to its callback.
        reason: Why it is in its state, if there is something to say.
        callback_id: The callback that it led to, if any.
    """

    id: EventId
    source: str
    delivery_key: str | None
    received_at: datetime
    state: EventState
    action: Verb | None
    alias: str | None
    waits_until: datetime | None
    tries: int
    reason: str | None
    callback_id: CallbackId | None


@dataclass(frozen=True, slots=True)
class SourceActivity:
    """What a source sent of late.

    Attributes:
        last_event_at: When its newest event was stored; `None` if it has none.
        recent: How many of its newest events are in each state.
    """

    last_event_at: datetime | None
    recent: Mapping[EventState, int]


@dataclass(frozen=True, slots=True)
class EventRecord:
    """All that is stored of an event.

    Attributes:
        event: The event without bodies.
        ended_at: When it ended; `None` while it waits.
        answer: The body of the answer or heartbeat, unless no rule uses it.
        position: Its place among the events of the request, from 0.
        siblings: How many events the request has.
        headers: The headers of the request that its source keeps, by lower-case name.
        body: The body of the request; `None` once retention has dropped it.
    """

    event: EventSummary
    ended_at: datetime | None
    answer: bytes | None = field(repr=False)
    position: int
    siblings: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
