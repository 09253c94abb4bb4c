"""Events: the audit trail, and the notices that go out as webhooks."""

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import insert, select

from ringback.domain.event import Event
from ringback.domain.webhook import NOTIFIED, Webhook, webhooks_for
from ringback.store import mapping
from ringback.store.bulk_params import INSERTS, any_of
from ringback.store.database import Connection
from ringback.store.queries import execute_each
from ringback.store.tables import callbacks, events, webhooks

_RECORD: Final = insert(events)

#: The webhook URLs of those callbacks that have any.
_ADDRESSES: Final = select(callbacks.c.id, callbacks.c.cancel_url, callbacks.c.notify_url).where(
    any_of(callbacks.c.id, "ids"),
    callbacks.c.cancel_url.is_not(None) | callbacks.c.notify_url.is_not(None),
)

#: Each notice is stored once.
_ADD_WEBHOOK: Final = {
    dialect: insert_into(webhooks).on_conflict_do_nothing(index_elements=["id"])
    for dialect, insert_into in INSERTS.items()
}


async def record(connection: Connection, happened: Iterable[Event]) -> None:
    """Add events to the audit trail, and the notices of those events that callbacks' URLs receive.

    The caller has locked the callbacks or created them in this transaction, unless an event only
    says how a notice ended.
    """
    recorded = list(happened)
    await execute_each(connection, _RECORD, [mapping.from_event(event) for event in recorded])
    notified = [event for event in recorded if event.kind in NOTIFIED]
    if notified:
        await notify(connection, notified)


async def notify(connection: Connection, happened: Sequence[Event]) -> None:
    """Add a notice of each event whose callback has a URL for it."""
    ids = list({event.callback_id for event in happened})
    result = await connection.execute(_ADDRESSES, {"ids": ids})
    addresses = {row.id: (row.cancel_url, row.notify_url) for row in result}
    if not addresses:
        return
    notices = [
        webhook
        for event in happened
        if event.callback_id in addresses
        for webhook in webhooks_for(event, *addresses[event.callback_id])
    ]
    values = [_from_webhook(webhook) for webhook in notices]
    await execute_each(connection, _ADD_WEBHOOK[connection.dialect.name], values)


def _from_webhook(webhook: Webhook) -> dict[str, object]:
    """Return the row of a notice that is due at once."""
    return {
        "id": webhook.id,
        "callback_id": webhook.callback_id,
        "url": webhook.url,
        "kind": webhook.kind.value,
        "at": webhook.at,
        "facts": webhook.facts,
        "due_at": webhook.at,
        "tries": webhook.tries,
    }
