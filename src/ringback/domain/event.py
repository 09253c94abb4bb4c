"""Events: the audit trail of a callback."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from ringback.domain.ids import CallbackId


class EventKind(Enum):
    """What happened."""

    OPENED = "opened"
    ASKED_AGAIN = "asked again"
    SUBMITTED = "submitted"
    EXTENDED = "extended"
    ACCEPTED = "accepted"
    ANSWERED_DIFFERENTLY = "answered differently"
    HANDED_OVER = "handed over"
    APPLIED = "applied"
    SUPERSEDED = "superseded"
    PARKED = "parked"
    REDELIVERED = "redelivered"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to one callback.

    Attributes:
        callback_id: The callback.
        at: When, by the store's clock.
        kind: What.
        facts: What else is known, as plain JSON; never a payload but the one of a refused answer.
    """

    callback_id: CallbackId
    at: datetime
    kind: EventKind
    facts: dict[str, object]
