"""The contract of every store for what the metrics show."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest

from ringback.domain.callback import State
from ringback.domain.event import EventEnd, EventState
from ringback.domain.ids import CallbackId
from ringback.domain.webhook import Webhook
from ringback.ports.gauges import MOST, SHOWN_FOR, Countable, Snapshot, Troubles, Waiting
from ringback.ports.notifications import Failure
from ringback.ports.webhooks import WebhookEnd, WebhookRetry
from ringback.testing import ManualClock
from tests import factories
from tests.contract import events
from tests.contract.stores import (
    LEASE,
    SECOND,
    Store,
    accepted,
    accepted_callbacks,
    in_state,
    opened,
)

MINUTE: Final = timedelta(minutes=1)
NOTHING: Final = Waiting(0, None)


async def count_all(store: Store, what: Countable, *, limit: int = 100) -> int:
    """Count page by page."""
    total, after = 0, CallbackId("")
    while True:
        count, last = await store.count_page(what, after, limit=limit)
        total += count
        if last is None:
            return total
        after = last


async def claim_webhook(store: Store) -> Webhook:
    (webhook,) = await store.claim_webhooks(limit=1, lease=LEASE)
    return webhook


class GaugesContract:
    async def test_nothing_waits_in_an_empty_store(self, store: Store, clock: ManualClock) -> None:
        assert await store.snapshot() == Snapshot(clock.now(), NOTHING, NOTHING, 0, None)
        assert await store.troubles(most=3) == Troubles((), (), (), 0, {}, (), {}, frozenset())
        assert await store.oldest_undelivered() is None

    async def test_undelivered_outcomes_wait_since_the_oldest_was_accepted(
        self, store: Store, clock: ManualClock
    ) -> None:
        began_at = clock.now()
        first = await accepted(store)
        clock.advance(MINUTE)
        await accepted(store)
        # Retries move the oldest behind the others.
        await store.claim("me", limit=1, lease=LEASE)
        await store.postpone([factories.postponement(first, timedelta(hours=1))])

        waiting = (await store.snapshot()).undelivered

        assert waiting == Waiting(2, began_at)
        assert waiting.is_all
        assert await store.oldest_undelivered() == began_at

    @pytest.mark.parametrize("verdict", [State.APPLIED, State.SUPERSEDED, State.PARKED])
    async def test_settled_outcome_does_not_wait(self, store: Store, verdict: State) -> None:
        await in_state(store, verdict)

        snapshot = await store.snapshot()

        assert snapshot.undelivered == NOTHING
        assert snapshot.parked == (verdict is State.PARKED)

    async def test_each_state_is_counted_in_its_group(self, store: Store) -> None:
        for state in State:
            await in_state(store, state)
        await opened(store)

        counts = {what: await count_all(store, what) for what in Countable}

        assert counts == dict.fromkeys(Countable, 1) | {Countable.NOT_CLOSED: 4}

    async def test_counts_are_the_same_in_pages_of_any_size(self, store: Store) -> None:
        await accepted_callbacks(store, 5)

        counts = [await count_all(store, Countable.ACCEPTED, limit=limit) for limit in (1, 2, 5, 9)]

        assert counts == [5] * 4

    @pytest.mark.parametrize("kind", ["own", "Temporal's"])
    async def test_open_callback_is_overdue_from_its_deadline_on(
        self, store: Store, clock: ManualClock, kind: str
    ) -> None:
        due_at = clock.now() + MINUTE
        request = (
            factories.request(deadline=MINUTE)
            if kind == "own"
            else factories.request(attempt_timeout_at=due_at)
        )
        (callback,) = await store.open([request])
        before = await store.snapshot()
        clock.advance(MINUTE)

        after = await store.snapshot()

        assert (before.overdue_since, after.overdue_since) == (None, due_at)
        assert (await store.troubles(most=3)).overdue == (callback.id,)

    async def test_callback_with_two_passed_deadlines_is_overdue_once(
        self, store: Store, clock: ManualClock
    ) -> None:
        request = factories.request(deadline=MINUTE, attempt_timeout_at=clock.now() + SECOND)
        (callback,) = await store.open([request])
        clock.advance(MINUTE)

        assert (await store.snapshot()).overdue_since == clock.now() - MINUTE + SECOND
        assert (await store.troubles(most=3)).overdue == (callback.id,)

    async def test_answered_and_expired_callbacks_are_not_overdue(
        self, store: Store, clock: ManualClock
    ) -> None:
        requests = [factories.request(deadline=MINUTE) for _ in range(2)]
        answered, expired = await store.open(requests)
        await store.accept([factories.answer(answered.id)])
        await store.expire([factories.expiry(expired)])
        clock.advance(MINUTE)

        assert (await store.snapshot()).overdue_since is None
        assert (await store.troubles(most=3)).overdue == ()

    async def test_event_waits_until_it_ends(self, store: Store, clock: ManualClock) -> None:
        began_at = clock.now()
        await events.stored(store, events.event(), events.event(None))
        clock.advance(SECOND)
        await events.stored(store, events.event("github:run:43"), key="d2")
        waiting = (await store.snapshot()).events
        clock.advance(timedelta(days=1))
        claimed = await events.claim(store)
        await store.end_events([EventEnd(one, EventState.UNMATCHED) for one in claimed])

        assert waiting == Waiting(2, began_at)
        assert (await store.snapshot()).events == NOTHING

    async def test_first_parked_callbacks_are_named(self, store: Store) -> None:
        parked = [(await in_state(store, State.PARKED)).id for _ in range(3)]

        assert (await store.troubles(most=2)).parked == tuple(parked[:2])

    async def test_webhook_fails_until_it_is_received(self, store: Store) -> None:
        await store.open([factories.request(notify_url="https://a.example/hook")])
        (callback,) = await store.open([factories.request(notify_url="https://a.example/hook")])
        await store.accept([factories.answer(callback.id)])
        webhook = await claim_webhook(store)
        before = await store.troubles(most=1)
        await store.postpone_webhooks([WebhookRetry(webhook.id, webhook.tries, MINUTE, "HTTP 500")])

        assert before.failing_webhooks == 0
        assert (await store.troubles(most=1)).failing_webhooks == 1

    async def test_undelivered_callbacks_are_named_the_longest_waiting_first(
        self, store: Store, clock: ManualClock
    ) -> None:
        waiting = []
        for _ in range(3):
            waiting.append((await accepted(store)).id)
            clock.advance(MINUTE)
        # Retries move the oldest behind the others.
        (claimed,) = await store.claim("g1", limit=1, lease=LEASE)
        assert claimed.id == waiting[0]

        assert (await store.troubles(most=2)).undelivered == tuple(waiting[:2])

    async def test_webhook_that_was_given_up_is_named_for_a_day(
        self, store: Store, clock: ManualClock
    ) -> None:
        (callback,) = await store.open([factories.request(notify_url="https://a.example/hook")])
        await store.accept([factories.answer(callback.id)])
        webhook = await claim_webhook(store)
        await store.postpone_webhooks([WebhookRetry(webhook.id, webhook.tries, MINUTE, "HTTP 500")])
        retried = await store.troubles(most=1)
        await store.end_webhooks([WebhookEnd(webhook.id, "HTTP 500")])

        given_up = await store.troubles(most=1)
        clock.advance(SHOWN_FOR)
        later = await store.troubles(most=1)

        assert (retried.given_up_webhooks, retried.failing_webhooks) == ((), 1)
        assert (given_up.given_up_webhooks, given_up.failing_webhooks) == ((callback.id,), 0)
        assert later.given_up_webhooks == ()

    async def test_messages_that_were_given_up_are_named_while_the_callback_is_open(
        self, store: Store
    ) -> None:
        (callback,) = await store.open([factories.request(notify=("chat",))])
        (claimed,) = await store.claim_notifications(limit=1, lease=LEASE)
        await store.fail_notification(Failure(claimed, "no such channel", wait=None))

        given_up = (await store.troubles(most=1)).given_up_notifications
        await store.expire([factories.expiry(callback)])
        (claimed,) = await store.claim_notifications(limit=1, lease=LEASE)
        await store.fail_notification(Failure(claimed, "no such channel", wait=None))

        assert given_up == {"chat": (callback.id,)}
        assert (await store.troubles(most=1)).given_up_notifications == {}

    async def test_link_keys_are_those_of_open_callbacks(self, store: Store) -> None:
        closed, _ = [
            (await store.open([replace(factories.request(), key_id=one)]))[0]
            for one in ("k1", "k2")
        ]
        both = (await store.troubles(most=1)).link_keys
        await store.expire([factories.expiry(closed)])

        assert both == {"k1", "k2"}
        assert (await store.troubles(most=1)).link_keys == {"k2"}
        assert await store.link_keys() == {"k2"}

    async def test_a_scrape_counts_no_more_than_it_may(self, store: Store) -> None:
        assert MOST % 500 == 0
        for _ in range(MOST // 500):
            await accepted_callbacks(store, 500)

        waiting = (await store.snapshot()).undelivered

        assert waiting.count == MOST
        assert not waiting.is_all
