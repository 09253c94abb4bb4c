"""The audit trail of a callback: what happened to it, in order."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from ringback.domain.ids import CallbackId


class AuditKind(Enum):
    """What happened."""

    OPENED = "opened"
    OPENED_AGAIN = "opened again"
    SUBMITTED = "submitted"
    EXTENDED = "extended"
    REVOKED = "revoked"
    LINK_CREATED = "link created"
    ALIAS_ADDED = "alias added"
    ALIAS_REMOVED = "alias removed"
    ALIASES_FREED = "aliases freed"
    VOTED = "voted"
    VOTE_WITHDRAWN = "vote withdrawn"
    CLAIMED = "claimed"
    RELEASED = "released"
    REASSIGNED = "reassigned"
    SUBJECT_CHANGED = "subject changed"
    POLL_REQUESTED = "poll requested"
    POLLED = "polled"
    POLLING_STOPPED = "polling stopped"
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
    GIVEN_UP = "given up"
    EXPIRED = "expired"
    WEBHOOK_DELIVERED = "webhook delivered"
    WEBHOOK_RETRYING = "webhook retrying"
    WEBHOOK_FAILED = "webhook failed"
    NOTIFIED = "notified"
    NOTIFICATION_RETRYING = "notification retrying"
    NOTIFICATION_FAILED = "notification failed"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An entry of the audit trail of one callback.

    Attributes:
        callback_id: The callback.
        at: When it happened, by the store's clock.
        kind: What happened.
        facts: Details as plain JSON; the only payload is that of a rejected answer.
    """

    callback_id: CallbackId
    at: datetime
    kind: AuditKind
    facts: dict[str, object] = field(repr=False)


def key_fact(by: str | None) -> dict[str, object]:
    """Return the fact that names the API key of a request; empty if there was none."""
    return {} if by is None else {"by": by}


def to_alias_added(
    callback_id: CallbackId, alias: str, at: datetime, *, by: str | None = None
) -> AuditEntry:
    """Return the entry that a callback got an alias after it was opened."""
    return AuditEntry(callback_id, at, AuditKind.ALIAS_ADDED, {"alias": alias, **key_fact(by)})
