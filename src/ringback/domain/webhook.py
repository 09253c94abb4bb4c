"""Webhooks: the signed messages about a callback, and where they go."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final, NewType
from urllib.parse import urlsplit

from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.durations import format_instant
from ringback.domain.ids import CallbackId

WebhookId = NewType("WebhookId", str)

LONGEST_FACT: Final = 500
"""The maximum characters of one fact, to keep messages small."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One message to one URL.

    Attributes:
        id: `no_…`, the same for all tries.
        callback_id: The callback.
        url: The receiver's URL, which may contain a secret.
        kind: What happened.
        at: When it happened, by the store's clock.
        facts: Details as plain JSON: no payload, no link, no token.
        tries: How often it was claimed for sending.
        traceparent: The trace context of the activity, if it has one.
    """

    id: WebhookId
    callback_id: CallbackId
    url: str = field(repr=False)
    kind: AuditKind
    at: datetime
    facts: dict[str, object] = field(repr=False)
    tries: int = 0
    traceparent: str | None = None


NOTIFIED: Final[Mapping[AuditKind, Mapping[str, str]]] = {
    AuditKind.EXTENDED: {"until": "deadline"},
    AuditKind.REVOKED: {},
    AuditKind.CANCEL_REQUESTED: {"until": "deadline"},
    AuditKind.PAUSED: {},
    AuditKind.UNPAUSED: {},
    AuditKind.RESET: {},
    AuditKind.ACCEPTED: {"kind": "outcome", "by": "by"},
    AuditKind.APPLIED: {},
    AuditKind.SUPERSEDED: {},
    AuditKind.PARKED: {},
    AuditKind.EXPIRED: {"reason": "reason"},
}
"""The entries that `notify_url` receives, with the message's name for each fact of the entry.

Proofs are left out: they name workers and runs, and may quote Temporal.
"""

_ORIGIN: Final = re.compile(r"(?:[^/?#]*//)?[^/?#]*[/?#]")

_MAKES_UNWANTED: Final = frozenset({
    AuditKind.CANCEL_REQUESTED,
    AuditKind.EXPIRED,
    AuditKind.SUPERSEDED,
    AuditKind.REVOKED,
})

STATES: Final = frozenset({
    AuditKind.ACCEPTED,
    AuditKind.APPLIED,
    AuditKind.SUPERSEDED,
    AuditKind.PARKED,
    AuditKind.EXPIRED,
})
"""The entries that move a callback to the state of the same name."""


def makes_unwanted(entry: AuditEntry) -> bool:
    """Return whether `cancel_url` receives `entry`: the sender can stop working.

    A default answer is such an entry, an answer of a sender is not.
    """
    is_by_default = entry.kind is AuditKind.ACCEPTED and "by" in entry.facts
    return entry.kind in _MAKES_UNWANTED or is_by_default


def webhooks_for(
    entry: AuditEntry, cancel_url: str | None, notify_url: str | None
) -> list[Webhook]:
    """Return the messages about `entry`, one per URL."""
    if entry.kind not in NOTIFIED:
        return []
    wanted = [notify_url, cancel_url if makes_unwanted(entry) else None]
    urls = dict.fromkeys(url for url in wanted if url is not None)
    return [_to(url, entry) for url in urls]


def _to(url: str, entry: AuditEntry) -> Webhook:
    facts = {
        sent_as: _short(entry.facts[name])
        for name, sent_as in NOTIFIED[entry.kind].items()
        if name in entry.facts
    }
    return Webhook(_id(entry, url), entry.callback_id, url, entry.kind, entry.at, facts)


def _id(entry: AuditEntry, url: str) -> WebhookId:
    """Return an id that depends only on the message, so that every gateway makes the same."""
    parts = [entry.callback_id, entry.kind.value, entry.at.isoformat(), url]
    return WebhookId("no_" + sha256(json.dumps(parts).encode()).hexdigest()[:32])


def _short(fact: object) -> object:
    return fact[:LONGEST_FACT] if isinstance(fact, str) else fact


def delivered_entry(webhook: Webhook, at: datetime) -> AuditEntry:
    """Return the entry of a message that was received."""
    return AuditEntry(webhook.callback_id, at, AuditKind.WEBHOOK_DELIVERED, _facts(webhook))


def retrying_entry(webhook: Webhook, at: datetime, last_error: str) -> AuditEntry:
    """Return the entry of a message's first failed try."""
    facts = {**_facts(webhook), "reason": last_error}
    return AuditEntry(webhook.callback_id, at, AuditKind.WEBHOOK_RETRYING, facts)


def failed_entry(webhook: Webhook, at: datetime, last_error: str) -> AuditEntry:
    """Return the entry of a message that is not sent again."""
    facts = {**_facts(webhook), "reason": last_error}
    return AuditEntry(webhook.callback_id, at, AuditKind.WEBHOOK_FAILED, facts)


def _facts(webhook: Webhook) -> dict[str, object]:
    # Only the host of the URL: the rest may be secret.
    return {
        "what": webhook.kind.value,
        "to": urlsplit(webhook.url).hostname,
        "webhook": webhook.id,
        "tries": webhook.tries,
    }


def to_origin(url: str) -> str:
    """Return the scheme, host and port of `url` as written, up to the character after them.

    For example `https://host:port/`; a `/` is added if nothing follows. Never raises.
    """
    found = _ORIGIN.match(f"{url}/")
    assert found is not None, "it matches every text that ends with a slash"
    return found.group()


def to_type(kind: AuditKind) -> str:
    """Return the type of messages about an entry, such as `callback.cancel_requested`."""
    return "callback." + kind.value.replace(" ", "_")


def to_body(webhook: Webhook) -> bytes:
    """Encode the message as JSON; the bytes are the same at every try."""
    data: dict[str, object] = {"callback": webhook.callback_id}
    if webhook.kind in STATES:
        data["state"] = webhook.kind.value
    message = {
        "type": to_type(webhook.kind),
        "timestamp": format_instant(webhook.at),
        "data": {**data, **webhook.facts},
    }
    return json.dumps(message, separators=(",", ":")).encode()
