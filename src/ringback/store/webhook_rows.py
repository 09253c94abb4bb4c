"""Rows of notices, and the notices that they stand for."""

from typing import Final
from urllib.parse import urlsplit

from ringback.domain.event import EventKind
from ringback.domain.ids import CallbackId
from ringback.domain.webhook import Webhook, WebhookId
from ringback.store.tables import webhooks
from ringback.store.unreadable import AnyRow, RowTypes

CLAIMED: Final = [
    webhooks.c[name] for name in ("id", "callback_id", "url", "kind", "at", "facts", "tries")
]
"""The columns of what `to_webhook` reads."""

_TYPES: Final = RowTypes(CLAIMED)


def to_webhook(row: AnyRow) -> Webhook:
    """Return the notice of a row, which may have more columns behind those of `CLAIMED`."""
    _TYPES.check(row[: len(CLAIMED)])
    urlsplit(row.url)
    return Webhook(
        id=WebhookId(row.id),
        callback_id=CallbackId(row.callback_id),
        url=row.url,
        kind=EventKind(row.kind),
        at=row.at,
        facts=row.facts,
        tries=row.tries,
    )
