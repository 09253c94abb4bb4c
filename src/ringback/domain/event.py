"""Events: the audit trail of a callback."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from ringback.domain.ids import CallbackId


class EventKind(Enum):
    """What happened."""

    OPENED = "opened"
    ASKED_AGAIN = "asked again"
    SUBMITTED = "submitted"
    EXTENDED = "extended"
    REVOKED = "revoked"
    LINKED = "link made"
    CANCEL_REQUESTED = "cancel requested"
    PAUSED = "paused"
    UNPAUSED = "unpaused"
    RESET = "reset"
    ACCEPTED = "accepted"
    ANSWERED_DIFFERENTLY = "answered differently"
    HANDED_OVER = "handed over"
    APPLIED = "applied"
    SUPERSEDED = "superseded"
    PARKED = "parked"
    REDELIVERED = "redelivered"
    EXPIRED = "expired"
    TOLD = "told"
    NOT_TOLD_YET = "not told yet"
    NOT_TOLD = "not told"


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
    facts: dict[str, object] = field(repr=False)


def named(by: str | None) -> dict[str, object]:
    """Return as a fact whose API key asked for something; nothing if none did."""
    return {} if by is None else {"by": by}
