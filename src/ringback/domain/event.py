"""Events: the audit trail of a callback."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from ringback.domain.ids import CallbackId


class EventKind(Enum):
    """What happened."""

    OPENED = "opened"
    OPENED_AGAIN = "opened again"
    SUBMITTED = "submitted"
    EXTENDED = "extended"
    REVOKED = "revoked"
    LINK_CREATED = "link created"
    CANCEL_REQUESTED = "cancel requested"
    PAUSED = "paused"
    UNPAUSED = "unpaused"
    RESET = "reset"
    ACCEPTED = "accepted"
    ANSWERED_DIFFERENTLY = "answered differently"
    DELIVERED_INLINE = "delivered inline"
    APPLIED = "applied"
    SUPERSEDED = "superseded"
    PARKED = "parked"
    REDELIVERED = "redelivered"
    EXPIRED = "expired"
    WEBHOOK_DELIVERED = "webhook delivered"
    WEBHOOK_RETRYING = "webhook retrying"
    WEBHOOK_FAILED = "webhook failed"


@dataclass(frozen=True, slots=True)
class Event:
    """An event of one callback.

    Attributes:
        callback_id: The callback.
        at: When it happened, by the store's clock.
        kind: What happened.
        facts: Details as plain JSON; the only payload is that of a rejected answer.
    """

    callback_id: CallbackId
    at: datetime
    kind: EventKind
    facts: dict[str, object] = field(repr=False)


def key_fact(by: str | None) -> dict[str, object]:
    """Return the fact that names the API key of a request; empty if there was none."""
    return {} if by is None else {"by": by}
