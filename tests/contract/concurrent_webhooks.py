"""The contract of a SQL store for webhooks that several gateways send concurrently."""

import asyncio
from collections.abc import Sequence
from typing import Final

from ringback.domain.audit import AuditKind
from ringback.domain.ids import CallbackId
from ringback.domain.webhook import Webhook
from ringback.ports.webhooks import WebhookEnd, WebhookRetry
from ringback.store.sql_store import SqlStore
from tests import factories
from tests.contract.stores import LEASE, SECOND, entries_of

ROUNDS: Final = 5
MANY: Final = 8
CANCEL_URL: Final = "https://outside.example/cancel"


async def expire_with_url(store: SqlStore) -> list[CallbackId]:
    """Open callbacks with a webhook URL and let them expire."""
    callbacks = await store.open([factories.request(cancel_url=CANCEL_URL) for _ in range(MANY)])
    await store.expire([factories.expiry(callback) for callback in callbacks])
    return [callback.id for callback in callbacks]


async def claimed(store: SqlStore) -> Sequence[Webhook]:
    return await store.claim_webhooks(limit=MANY, lease=LEASE)


class ConcurrentWebhooksContract:
    """The fixture `stores` is four stores on one database."""

    async def test_due_webhook_is_claimed_by_one_process(self, stores: Sequence[SqlStore]) -> None:
        for _ in range(ROUNDS):
            ids = await expire_with_url(stores[0])

            claims = await asyncio.gather(*(claimed(store) for store in stores))

            webhooks = [webhook for claim in claims for webhook in claim]
            assert sorted(webhook.callback_id for webhook in webhooks) == sorted(ids)
            await stores[0].end_webhooks([WebhookEnd(webhook.id) for webhook in webhooks])

    async def test_concurrent_ends_of_webhook_count_once(self, stores: Sequence[SqlStore]) -> None:
        one, other, third, _ = stores
        for _ in range(ROUNDS):
            ids = await expire_with_url(one)
            webhooks = await claimed(one)

            await asyncio.gather(
                one.end_webhooks([WebhookEnd(webhook.id) for webhook in webhooks]),
                other.end_webhooks([
                    WebhookEnd(webhook.id, "gone") for webhook in reversed(webhooks)
                ]),
                third.postpone_webhooks([
                    WebhookRetry(one.id, 1, SECOND, "busy") for one in webhooks
                ]),
            )

            for id_ in ids:
                ends = [
                    entry
                    for kind in (AuditKind.WEBHOOK_DELIVERED, AuditKind.WEBHOOK_FAILED)
                    for entry in await entries_of(one, id_, kind)
                ]
                assert len(ends) == 1
            assert await one.next_webhook() is None
