"""What every store promises to those who tell the outside."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from ringback.domain.callback import Callback, State
from ringback.domain.durations import format_instant
from ringback.domain.event import EventKind
from ringback.domain.options import Attempts
from ringback.domain.outcome import Completed
from ringback.domain.webhook import Webhook
from ringback.ports.webhooks import WebhookEnd, WebhookRetry
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import LEASE, SECOND, Store, events_of, found
from tests.contract.tracked import pending, see

CANCEL_URL = "https://outside.example/cancel?key=hush"
NOTIFY_URL = "https://outside.example/notify"
MINUTE = timedelta(minutes=1)


async def told(store: Store, **about: Any) -> Callback:
    """Open a callback whose outside is told; at both addresses, unless it is said where."""
    urls = about or {"cancel_url": CANCEL_URL, "notify_url": NOTIFY_URL}
    (callback,) = await store.open([factories.request(deadline=MINUTE, **urls)])
    return callback


async def claimed(store: Store, limit: int = 100) -> Sequence[Webhook]:
    return await store.claim_webhooks(limit=limit, lease=LEASE)


async def told_at(store: Store) -> dict[str, list[EventKind]]:
    """Return what waits to be told, in its order, by where it goes."""
    kinds: dict[str, list[EventKind]] = {}
    for webhook in await claimed(store):
        kinds.setdefault(webhook.url, []).append(webhook.kind)
    return kinds


class WebhooksContract:
    async def test_of_an_answer_and_its_verdict_the_one_address_is_told(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await told(store)
        await store.accept([factories.answer(callback.id, Completed(b'"hush"'))])
        clock.advance(SECOND)
        answered = await found(store, callback.id)
        await store.settle([factories.settlement(answered, State.APPLIED, {"by": "hush"})])

        webhooks = await claimed(store)

        assert [(one.url, one.kind, one.at, one.facts, one.tries) for one in webhooks] == [
            (NOTIFY_URL, EventKind.ACCEPTED, clock.now() - SECOND, {"outcome": "completed"}, 1),
            (NOTIFY_URL, EventKind.APPLIED, clock.now(), {}, 1),
        ]
        assert {one.callback_id for one in webhooks} == {callback.id}

    async def test_that_no_answer_is_wanted_any_more_both_addresses_are_told(
        self, store: Store
    ) -> None:
        callback = await told(store)
        await store.expire([factories.expiry(callback, "timed out")])

        webhooks = await claimed(store)

        assert {one.url for one in webhooks} == {CANCEL_URL, NOTIFY_URL}
        assert len({one.id for one in webhooks}) == 2
        assert [one.facts for one in webhooks] == [{"reason": "timed out"}] * 2

    async def test_that_the_deadline_was_faster_both_addresses_are_told(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await told(store)
        clock.advance(MINUTE)
        await store.accept_defaults([callback.id], factories.outcome_id)

        webhooks = await claimed(store)

        assert {one.url for one in webhooks} == {CANCEL_URL, NOTIFY_URL}
        assert [one.facts for one in webhooks] == [{"outcome": "failed", "by": "deadline"}] * 2

    async def test_that_an_answer_came_to_nothing_both_addresses_are_told(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await told(store)
        await store.accept([factories.answer(callback.id)])
        clock.advance(SECOND)
        answered = await found(store, callback.id)
        await store.settle([factories.settlement(answered, State.SUPERSEDED)])

        assert await told_at(store) == {
            CANCEL_URL: [EventKind.SUPERSEDED],
            NOTIFY_URL: [EventKind.ACCEPTED, EventKind.SUPERSEDED],
        }

    async def test_that_the_activity_was_asked_to_cancel_both_addresses_are_told_once(
        self, store: Store
    ) -> None:
        callback = await told(store)

        for _ in range(2):
            await see(store, callback, pending(callback, cancel_requested=True))

        assert await told_at(store) == {
            CANCEL_URL: [EventKind.CANCEL_REQUESTED],
            NOTIFY_URL: [EventKind.CANCEL_REQUESTED],
        }

    async def test_until_when_the_report_of_a_cancellation_is_waited_for_is_told(
        self, store: Store, clock: ManualClock
    ) -> None:
        (callback,) = await store.open([
            factories.request(cancel_url=CANCEL_URL, cancel_within=MINUTE)
        ])

        await see(store, callback, pending(callback, cancel_requested=True))

        (webhook,) = await claimed(store)
        assert webhook.facts == {"deadline": format_instant(clock.now() + MINUTE)}

    async def test_of_a_pause_and_its_end_the_one_address_is_told(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await told(store)

        await see(store, callback, pending(callback, paused=True))
        clock.advance(SECOND)
        await see(store, callback)

        assert await told_at(store) == {NOTIFY_URL: [EventKind.PAUSED, EventKind.UNPAUSED]}

    async def test_that_its_links_were_revoked_both_addresses_are_told(self, store: Store) -> None:
        callback = await told(store)

        await store.revoke(callback.id)

        assert await told_at(store) == {
            CANCEL_URL: [EventKind.REVOKED],
            NOTIFY_URL: [EventKind.REVOKED],
        }

    async def test_who_is_told_at_one_address_twice_is_told_once(self, store: Store) -> None:
        callback = await told(store, cancel_url=NOTIFY_URL, notify_url=NOTIFY_URL)
        await store.expire([factories.expiry(callback)])

        assert await told_at(store) == {NOTIFY_URL: [EventKind.EXPIRED]}

    async def test_who_gave_no_address_is_told_nothing(self, store: Store) -> None:
        (callback,) = await store.open([factories.request()])
        await store.accept([factories.answer(callback.id)])

        assert await claimed(store) == []
        assert await store.next_webhook() is None

    async def test_that_a_later_attempt_asks_anew_is_told(self, store: Store) -> None:
        ref = factories.activity_ref()
        current = Attempts.CURRENT
        await store.open([factories.request(ref=ref, cancel_url=CANCEL_URL, attempts=current)])

        await store.open([
            factories.request(ref=ref, cancel_url=CANCEL_URL, attempts=current, attempt=2)
        ])

        assert await told_at(store) == {CANCEL_URL: [EventKind.EXPIRED]}

    async def test_more_time_is_told_with_the_new_deadline(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await told(store)
        await store.extend(callback.id, 5 * MINUTE)

        (webhook,) = await claimed(store)

        assert webhook.kind is EventKind.EXTENDED
        assert webhook.facts == {"deadline": format_instant(clock.now() + 5 * MINUTE)}

    async def test_what_one_has_claimed_nobody_else_gets_until_the_lease_ends(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await told(store)
        await store.accept([factories.answer(callback.id)])
        assert await store.next_webhook() == timedelta(0)
        (first,) = await claimed(store)

        assert await claimed(store) == []
        assert await store.next_webhook() == LEASE
        clock.advance(LEASE)
        (again,) = await claimed(store)

        assert (again.id, again.tries) == (first.id, 2)

    async def test_what_goes_to_an_origin_that_is_left_out_is_claimed_later(
        self, store: Store
    ) -> None:
        urls = [
            "https://a.example/x",
            "https://a.example",
            "https://a.example.org/x",
            "http://a.example/x",
        ]
        for url in urls:
            await store.expire([factories.expiry(await told(store, cancel_url=url))])

        others = await store.claim_webhooks(limit=9, lease=LEASE, excluded={"https://a.example/"})
        left = await claimed(store)

        assert {one.url for one in others} == set(urls[2:])
        assert {one.url for one in left} == set(urls[:2])

    async def test_no_more_are_claimed_than_asked_and_the_longest_due_first(
        self, store: Store, clock: ManualClock
    ) -> None:
        waiting = []
        for _ in range(3):
            callback = await told(store, notify_url=NOTIFY_URL)
            await store.expire([factories.expiry(callback)])
            waiting.append(callback.id)
            clock.advance(SECOND)

        assert [one.callback_id for one in await claimed(store, limit=2)] == waiting[:2]
        assert [one.callback_id for one in await claimed(store, limit=2)] == waiting[2:]

    async def test_what_was_received_is_not_sent_again_and_stands_in_the_audit_trail(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await told(store, cancel_url=CANCEL_URL)
        await store.expire([factories.expiry(callback)])
        (webhook,) = await claimed(store)

        await store.end_webhooks([WebhookEnd(webhook.id)])
        await store.end_webhooks([WebhookEnd(webhook.id, "late")])

        clock.advance(LEASE)
        assert await claimed(store) == []
        assert await store.next_webhook() is None
        (event,) = await events_of(store, callback.id, EventKind.WEBHOOK_DELIVERED)
        assert event.facts == {
            "what": "expired",
            "to": "outside.example",
            "webhook": webhook.id,
            "tries": 1,
        }
        assert await events_of(store, callback.id, EventKind.WEBHOOK_FAILED) == []

    async def test_what_was_given_up_is_not_sent_again_and_the_audit_trail_tells_why(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await told(store, cancel_url=CANCEL_URL)
        await store.expire([factories.expiry(callback)])
        (webhook,) = await claimed(store)

        await store.end_webhooks([WebhookEnd(webhook.id, "gone"), WebhookEnd(webhook.id)])

        clock.advance(LEASE)
        assert await claimed(store) == []
        (event,) = await events_of(store, callback.id, EventKind.WEBHOOK_FAILED)
        assert (event.facts["reason"], event.facts["what"]) == ("gone", "expired")
        assert "hush" not in str(event)
        assert await events_of(store, callback.id, EventKind.WEBHOOK_DELIVERED) == []

    async def test_what_is_postponed_is_due_when_its_wait_is_over(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await told(store, cancel_url=CANCEL_URL)
        await store.expire([factories.expiry(callback)])
        (webhook,) = await claimed(store)

        await store.postpone_webhooks([WebhookRetry(webhook.id, webhook.tries, MINUTE, "busy")])

        assert await store.next_webhook() == MINUTE
        clock.advance(MINUTE)
        (again,) = await claimed(store)
        assert (again.id, again.tries, again.at) == (webhook.id, 2, webhook.at)

    async def test_the_first_time_that_it_is_not_received_stands_in_the_audit_trail(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await told(store, cancel_url=CANCEL_URL)
        await store.expire([factories.expiry(callback)])
        for last_error in ("busy", "away"):
            (webhook,) = await claimed(store)
            await store.postpone_webhooks([
                WebhookRetry(webhook.id, webhook.tries, SECOND, last_error)
            ])
            clock.advance(SECOND)

        (event,) = await events_of(store, callback.id, EventKind.WEBHOOK_RETRYING)

        assert event.facts == {
            "what": "expired",
            "to": "outside.example",
            "webhook": webhook.id,
            "tries": 1,
            "reason": "busy",
        }

    @pytest.mark.parametrize("meanwhile", ["claimed again", "received"])
    async def test_who_stood_still_postpones_nothing(
        self, store: Store, clock: ManualClock, meanwhile: str
    ) -> None:
        callback = await told(store, cancel_url=CANCEL_URL)
        await store.expire([factories.expiry(callback)])
        (webhook,) = await claimed(store)
        clock.advance(LEASE)
        await claimed(store)
        if meanwhile == "received":
            await store.end_webhooks([WebhookEnd(webhook.id)])
        before = await store.next_webhook()

        await store.postpone_webhooks([WebhookRetry(webhook.id, webhook.tries, SECOND, "busy")])

        assert await store.next_webhook() == before
        assert await events_of(store, callback.id, EventKind.WEBHOOK_RETRYING) == []

    async def test_nothing_is_ended_or_postponed_that_is_not_there(self, store: Store) -> None:
        nobody = factories.webhook().id

        await store.end_webhooks([WebhookEnd(nobody)])
        await store.end_webhooks([])
        await store.postpone_webhooks([WebhookRetry(nobody, 1, SECOND, "busy")])
        await store.postpone_webhooks([])

        assert await store.next_webhook() is None
