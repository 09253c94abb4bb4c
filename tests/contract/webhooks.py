"""The contract of every store for webhooks."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.durations import format_instant
from ringback.domain.options import Attempts
from ringback.domain.outcome import Completed
from ringback.domain.webhook import Webhook
from ringback.ports.webhooks import WebhookEnd, WebhookRetry
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import LEASE, SECOND, Store, entries_of, found
from tests.contract.tracked import pending, save_poll

CANCEL_URL = "https://outside.example/cancel?key=hush"
NOTIFY_URL = "https://outside.example/notify"
MINUTE = timedelta(minutes=1)


async def open_with_urls(store: Store, **about: Any) -> Callback:
    """Open a callback with both webhook URLs, unless `about` names some."""
    urls = about or {"cancel_url": CANCEL_URL, "notify_url": NOTIFY_URL}
    (callback,) = await store.open([factories.request(deadline=MINUTE, **urls)])
    return callback


async def claimed(store: Store, limit: int = 100) -> Sequence[Webhook]:
    return await store.claim_webhooks(limit=limit, lease=LEASE)


async def webhooks_by_url(store: Store) -> dict[str, list[AuditKind]]:
    """Return the kinds of waiting webhooks in their order, by URL."""
    kinds: dict[str, list[AuditKind]] = {}
    for webhook in await claimed(store):
        kinds.setdefault(webhook.url, []).append(webhook.kind)
    return kinds


class WebhooksContract:
    async def test_notify_url_receives_answer_and_verdict(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_with_urls(store)
        await store.accept([factories.answer(callback.id, Completed(b'"hush"'))])
        clock.advance(SECOND)
        answered = await found(store, callback.id)
        await store.settle([factories.settlement(answered, State.APPLIED, {"by": "hush"})])

        webhooks = await claimed(store)

        assert [(one.url, one.kind, one.at, one.facts, one.tries) for one in webhooks] == [
            (NOTIFY_URL, AuditKind.ACCEPTED, clock.now() - SECOND, {"outcome": "completed"}, 1),
            (NOTIFY_URL, AuditKind.APPLIED, clock.now(), {}, 1),
        ]
        assert {one.callback_id for one in webhooks} == {callback.id}

    async def test_both_urls_receive_expiry(self, store: Store) -> None:
        callback = await open_with_urls(store)
        await store.expire([factories.expiry(callback, "timed out")])

        webhooks = await claimed(store)

        assert {one.url for one in webhooks} == {CANCEL_URL, NOTIFY_URL}
        assert len({one.id for one in webhooks}) == 2
        assert [one.facts for one in webhooks] == [{"reason": "timed out"}] * 2

    async def test_both_urls_receive_default_answer(self, store: Store, clock: ManualClock) -> None:
        callback = await open_with_urls(store)
        clock.advance(MINUTE)
        await store.accept_defaults([callback.id], factories.outcome_id)

        webhooks = await claimed(store)

        assert {one.url for one in webhooks} == {CANCEL_URL, NOTIFY_URL}
        assert [one.facts for one in webhooks] == [{"outcome": "failed", "by": "deadline"}] * 2

    async def test_both_urls_receive_superseded(self, store: Store, clock: ManualClock) -> None:
        callback = await open_with_urls(store)
        await store.accept([factories.answer(callback.id)])
        clock.advance(SECOND)
        answered = await found(store, callback.id)
        await store.settle([factories.settlement(answered, State.SUPERSEDED)])

        assert await webhooks_by_url(store) == {
            CANCEL_URL: [AuditKind.SUPERSEDED],
            NOTIFY_URL: [AuditKind.ACCEPTED, AuditKind.SUPERSEDED],
        }

    async def test_both_urls_receive_cancel_request_once(self, store: Store) -> None:
        callback = await open_with_urls(store)

        for _ in range(2):
            await save_poll(store, callback, pending(callback, cancel_requested=True))

        assert await webhooks_by_url(store) == {
            CANCEL_URL: [AuditKind.CANCEL_REQUESTED],
            NOTIFY_URL: [AuditKind.CANCEL_REQUESTED],
        }

    async def test_cancel_request_contains_its_deadline(
        self, store: Store, clock: ManualClock
    ) -> None:
        (callback,) = await store.open([
            factories.request(cancel_url=CANCEL_URL, cancel_within=MINUTE)
        ])

        await save_poll(store, callback, pending(callback, cancel_requested=True))

        (webhook,) = await claimed(store)
        assert webhook.facts == {"deadline": format_instant(clock.now() + MINUTE)}

    async def test_notify_url_receives_pause_and_unpause(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_with_urls(store)

        await save_poll(store, callback, pending(callback, paused=True))
        clock.advance(SECOND)
        await save_poll(store, callback)

        assert await webhooks_by_url(store) == {NOTIFY_URL: [AuditKind.PAUSED, AuditKind.UNPAUSED]}

    async def test_both_urls_receive_revocation(self, store: Store) -> None:
        callback = await open_with_urls(store)

        await store.revoke(callback.id)

        assert await webhooks_by_url(store) == {
            CANCEL_URL: [AuditKind.REVOKED],
            NOTIFY_URL: [AuditKind.REVOKED],
        }

    async def test_same_url_twice_receives_one_webhook(self, store: Store) -> None:
        callback = await open_with_urls(store, cancel_url=NOTIFY_URL, notify_url=NOTIFY_URL)
        await store.expire([factories.expiry(callback)])

        assert await webhooks_by_url(store) == {NOTIFY_URL: [AuditKind.EXPIRED]}

    async def test_callback_without_urls_sends_no_webhooks(self, store: Store) -> None:
        (callback,) = await store.open([factories.request()])
        await store.accept([factories.answer(callback.id)])

        assert await claimed(store) == []
        assert await store.next_webhook() is None

    async def test_expiry_by_next_attempt_is_announced(self, store: Store) -> None:
        ref = factories.activity_ref()
        current = Attempts.CURRENT
        await store.open([factories.request(ref=ref, cancel_url=CANCEL_URL, attempts=current)])

        await store.open([
            factories.request(ref=ref, cancel_url=CANCEL_URL, attempts=current, attempt=2)
        ])

        assert await webhooks_by_url(store) == {CANCEL_URL: [AuditKind.EXPIRED]}

    async def test_extension_contains_new_deadline(self, store: Store, clock: ManualClock) -> None:
        callback = await open_with_urls(store)
        await store.extend(callback.id, 5 * MINUTE)

        (webhook,) = await claimed(store)

        assert webhook.kind is AuditKind.EXTENDED
        assert webhook.facts == {"deadline": format_instant(clock.now() + 5 * MINUTE)}

    async def test_claimed_webhook_is_not_claimed_again_during_its_lease(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_with_urls(store)
        await store.accept([factories.answer(callback.id)])
        assert await store.next_webhook() == timedelta(0)
        (first,) = await claimed(store)

        assert await claimed(store) == []
        assert await store.next_webhook() == LEASE
        clock.advance(LEASE)
        (again,) = await claimed(store)

        assert (again.id, again.tries) == (first.id, 2)

    async def test_webhook_to_excluded_origin_is_claimed_later(self, store: Store) -> None:
        urls = [
            "https://a.example/x",
            "https://a.example",
            "https://a.example.org/x",
            "http://a.example/x",
        ]
        for url in urls:
            await store.expire([factories.expiry(await open_with_urls(store, cancel_url=url))])

        others = await store.claim_webhooks(limit=9, lease=LEASE, excluded={"https://a.example/"})
        left = await claimed(store)

        assert {one.url for one in others} == set(urls[2:])
        assert {one.url for one in left} == set(urls[:2])

    async def test_claim_returns_longest_due_webhooks_up_to_limit(
        self, store: Store, clock: ManualClock
    ) -> None:
        waiting = []
        for _ in range(3):
            callback = await open_with_urls(store, notify_url=NOTIFY_URL)
            await store.expire([factories.expiry(callback)])
            waiting.append(callback.id)
            clock.advance(SECOND)

        assert [one.callback_id for one in await claimed(store, limit=2)] == waiting[:2]
        assert [one.callback_id for one in await claimed(store, limit=2)] == waiting[2:]

    async def test_received_webhook_is_recorded_and_not_sent_again(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_with_urls(store, cancel_url=CANCEL_URL)
        await store.expire([factories.expiry(callback)])
        (webhook,) = await claimed(store)

        await store.end_webhooks([WebhookEnd(webhook.id)])
        await store.end_webhooks([WebhookEnd(webhook.id, "late")])

        clock.advance(LEASE)
        assert await claimed(store) == []
        assert await store.next_webhook() is None
        (entry,) = await entries_of(store, callback.id, AuditKind.WEBHOOK_DELIVERED)
        assert entry.facts == {
            "what": "expired",
            "to": "outside.example",
            "webhook": webhook.id,
            "tries": 1,
        }
        assert await entries_of(store, callback.id, AuditKind.WEBHOOK_FAILED) == []

    async def test_failed_webhook_is_recorded_with_reason_and_not_sent_again(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_with_urls(store, cancel_url=CANCEL_URL)
        await store.expire([factories.expiry(callback)])
        (webhook,) = await claimed(store)

        await store.end_webhooks([WebhookEnd(webhook.id, "gone"), WebhookEnd(webhook.id)])

        clock.advance(LEASE)
        assert await claimed(store) == []
        (entry,) = await entries_of(store, callback.id, AuditKind.WEBHOOK_FAILED)
        assert (entry.facts["reason"], entry.facts["what"]) == ("gone", "expired")
        assert "hush" not in str(entry)
        assert await entries_of(store, callback.id, AuditKind.WEBHOOK_DELIVERED) == []

    async def test_postponed_webhook_is_due_after_its_wait(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_with_urls(store, cancel_url=CANCEL_URL)
        await store.expire([factories.expiry(callback)])
        (webhook,) = await claimed(store)

        await store.postpone_webhooks([WebhookRetry(webhook.id, webhook.tries, MINUTE, "busy")])

        assert await store.next_webhook() == MINUTE
        clock.advance(MINUTE)
        (again,) = await claimed(store)
        assert (again.id, again.tries, again.at) == (webhook.id, 2, webhook.at)

    async def test_first_failure_of_webhook_is_recorded(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_with_urls(store, cancel_url=CANCEL_URL)
        await store.expire([factories.expiry(callback)])
        for last_error in ("busy", "away"):
            (webhook,) = await claimed(store)
            await store.postpone_webhooks([
                WebhookRetry(webhook.id, webhook.tries, SECOND, last_error)
            ])
            clock.advance(SECOND)

        (entry,) = await entries_of(store, callback.id, AuditKind.WEBHOOK_RETRYING)

        assert entry.facts == {
            "what": "expired",
            "to": "outside.example",
            "webhook": webhook.id,
            "tries": 1,
            "reason": "busy",
        }

    @pytest.mark.parametrize("meanwhile", ["claimed again", "received"])
    async def test_postponement_of_earlier_try_is_ignored(
        self, store: Store, clock: ManualClock, meanwhile: str
    ) -> None:
        callback = await open_with_urls(store, cancel_url=CANCEL_URL)
        await store.expire([factories.expiry(callback)])
        (webhook,) = await claimed(store)
        clock.advance(LEASE)
        await claimed(store)
        if meanwhile == "received":
            await store.end_webhooks([WebhookEnd(webhook.id)])
        before = await store.next_webhook()

        await store.postpone_webhooks([WebhookRetry(webhook.id, webhook.tries, SECOND, "busy")])

        assert await store.next_webhook() == before
        assert await entries_of(store, callback.id, AuditKind.WEBHOOK_RETRYING) == []

    async def test_unknown_webhooks_are_ignored(self, store: Store) -> None:
        nobody = factories.webhook().id

        await store.end_webhooks([WebhookEnd(nobody)])
        await store.end_webhooks([])
        await store.postpone_webhooks([WebhookRetry(nobody, 1, SECOND, "busy")])
        await store.postpone_webhooks([])

        assert await store.next_webhook() is None
