"""Notices: what the outside party is told of a callback, and where."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final, NewType
from urllib.parse import urlsplit

from ringback.domain.durations import format_instant
from ringback.domain.event import Event, EventKind
from ringback.domain.ids import CallbackId

WebhookId = NewType("WebhookId", str)

LONGEST_FACT: Final = 500
"""How many signs of a fact are told, so that a message stays small."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One message to one address.

    Attributes:
        id: `no_…`, the same over all tries.
        callback_id: The callback that it tells of.
        url: Where it goes; it may hold a secret of the receiver's.
        kind: What happened.
        at: When that happened, by the store's clock.
        facts: What else is told, as plain JSON: no payload, no link, no token.
        tries: How often it was claimed to be sent.
    """

    id: WebhookId
    callback_id: CallbackId
    url: str = field(repr=False)
    kind: EventKind
    at: datetime
    facts: dict[str, object] = field(repr=False)
    tries: int = 0


NOTIFIED: Final[Mapping[EventKind, Mapping[str, str]]] = {
    EventKind.EXTENDED: {"until": "deadline"},
    EventKind.REVOKED: {},
    EventKind.CANCEL_REQUESTED: {"until": "deadline"},
    EventKind.PAUSED: {},
    EventKind.UNPAUSED: {},
    EventKind.RESET: {},
    EventKind.ACCEPTED: {"kind": "outcome", "by": "by"},
    EventKind.APPLIED: {},
    EventKind.SUPERSEDED: {},
    EventKind.PARKED: {},
    EventKind.EXPIRED: {"reason": "reason"},
}
"""What `notify_url` is told, and which facts of the event under which names.

A proof is not told: it names workers and runs, and may quote what Temporal said.
"""

_ORIGIN: Final = re.compile(r"(?:[^/?#]*//)?[^/?#]*[/?#]")

_MAKES_UNWANTED: Final = frozenset({
    EventKind.CANCEL_REQUESTED,
    EventKind.EXPIRED,
    EventKind.SUPERSEDED,
    EventKind.REVOKED,
})

STATES: Final = frozenset({
    EventKind.ACCEPTED,
    EventKind.APPLIED,
    EventKind.SUPERSEDED,
    EventKind.PARKED,
    EventKind.EXPIRED,
})
"""The events that bring a callback into a state, which has the same name."""


def makes_unwanted(event: Event) -> bool:
    """Tell whether `cancel_url` is told of `event`: no answer is wanted any more, or none counted.

    An answer that somebody gave is no such event, but the one that was taken at the deadline is.
    """
    is_by_default = event.kind is EventKind.ACCEPTED and "by" in event.facts
    return event.kind in _MAKES_UNWANTED or is_by_default


def webhooks_for(event: Event, cancel_url: str | None, notify_url: str | None) -> list[Webhook]:
    """Return the messages that tell of `event`, one to each address that is told."""
    if event.kind not in NOTIFIED:
        return []
    wanted = [notify_url, cancel_url if makes_unwanted(event) else None]
    urls = dict.fromkeys(url for url in wanted if url is not None)
    return [_to(url, event) for url in urls]


def _to(url: str, event: Event) -> Webhook:
    facts = {
        told: _short(event.facts[name])
        for name, told in NOTIFIED[event.kind].items()
        if name in event.facts
    }
    return Webhook(_id(event, url), event.callback_id, url, event.kind, event.at, facts)


def _id(event: Event, url: str) -> WebhookId:
    """Return the same id for the same message, whoever makes it."""
    parts = [event.callback_id, event.kind.value, event.at.isoformat(), url]
    return WebhookId("no_" + sha256(json.dumps(parts).encode()).hexdigest()[:32])


def _short(fact: object) -> object:
    return fact[:LONGEST_FACT] if isinstance(fact, str) else fact


def told(webhook: Webhook, at: datetime) -> Event:
    """Return what the audit trail says of a notice that was received."""
    return Event(webhook.callback_id, at, EventKind.TOLD, _facts(webhook))


def not_told_yet(webhook: Webhook, at: datetime, last_error: str) -> Event:
    """Return what the audit trail says of the first time that a notice was not received."""
    facts = {**_facts(webhook), "reason": last_error}
    return Event(webhook.callback_id, at, EventKind.NOT_TOLD_YET, facts)


def not_told(webhook: Webhook, at: datetime, last_error: str) -> Event:
    """Return what the audit trail says of a notice that was given up."""
    facts = {**_facts(webhook), "reason": last_error}
    return Event(webhook.callback_id, at, EventKind.NOT_TOLD, facts)


def _facts(webhook: Webhook) -> dict[str, object]:
    # Of the address the host alone is told: the rest may be secret.
    return {
        "what": webhook.kind.value,
        "to": urlsplit(webhook.url).hostname,
        "webhook": webhook.id,
        "tries": webhook.tries,
    }


def origin_of(url: str) -> str:
    """Return with what every address begins that goes where `url` goes, if it ends with a slash.

    It is `https://host:port/` as it is written in `url`; where there is no slash after the host,
    the sign that is there. Total: whatever `url` is, nothing is raised.
    """
    found = _ORIGIN.match(f"{url}/")
    assert found is not None, "it matches every text that ends with a slash"
    return found.group()


def type_of(kind: EventKind) -> str:
    """Return what a message calls an event: `callback.cancel_requested`."""
    return "callback." + kind.value.replace(" ", "_")


def to_body(webhook: Webhook) -> bytes:
    """Return the message as JSON: the same bytes at every try."""
    data: dict[str, object] = {"callback": webhook.callback_id}
    if webhook.kind in STATES:
        data["state"] = webhook.kind.value
    message = {
        "type": type_of(webhook.kind),
        "timestamp": format_instant(webhook.at),
        "data": {**data, **webhook.facts},
    }
    return json.dumps(message, separators=(",", ":")).encode()
