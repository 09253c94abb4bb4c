"""The contract of every store after its clock was set back: due times are repaired."""

from datetime import timedelta
from typing import Any

from ringback.domain.callback import State
from ringback.domain.outcome import Completed
from ringback.domain.polling import PollReport, PollStep
from ringback.ports.deadlines import LongestWaits
from ringback.ports.deliveries import Postponement
from ringback.ports.webhooks import WebhookRetry
from ringback.testing import ManualClock
from tests import factories
from tests.contract.sender_polls import claimed as claim_sender_polls
from tests.contract.sender_polls import open_polled, progress
from tests.contract.stores import LEASE, SECOND, Store, accepted, found, opened
from tests.contract.tracked import (
    MINUTE,
    claim_heartbeats,
    claim_polls,
    open_kept_alive,
    receive_heartbeats,
    save_poll,
    save_sent,
)

HOUR = timedelta(hours=1)
LONGEST = LongestWaits(delivery=MINUTE, webhook=MINUTE, poll=MINUTE)


class ClockSetBackContract:
    async def test_postponed_delivery_is_due_now(self, store: Store, clock: ManualClock) -> None:
        callback = await accepted(store)
        await store.claim("me", limit=1, lease=LEASE)
        clock.step(HOUR)
        await store.postpone([Postponement(callback.id, 1, 5 * SECOND, "no answer")])
        clock.step(-HOUR)

        repaired = await store.repair(LONGEST)

        assert repaired == 1
        assert await store.next_due() == timedelta(0)
        assert len(await store.claim("me", limit=1, lease=LEASE)) == 1

    async def test_claimed_delivery_of_a_dead_process_is_due_now(
        self, store: Store, clock: ManualClock
    ) -> None:
        await accepted(store)
        clock.step(HOUR)
        await store.claim("one that dies", limit=1, lease=LEASE)
        clock.step(-HOUR)

        await store.repair(LONGEST)

        assert len(await store.claim("me", limit=1, lease=LEASE)) == 1

    async def test_postponed_webhook_is_due_now(self, store: Store, clock: ManualClock) -> None:
        url = "https://outside.example/notify"
        (callback,) = await store.open([factories.request(notify_url=url)])
        clock.step(HOUR)
        await store.accept([factories.answer(callback.id)])
        (webhook,) = await store.claim_webhooks(limit=1, lease=LEASE)
        await store.postpone_webhooks([WebhookRetry(webhook.id, webhook.tries, 5 * SECOND, "busy")])
        clock.step(-HOUR)

        await store.repair(LONGEST)

        assert len(await store.claim_webhooks(limit=1, lease=LEASE)) == 1

    async def test_poll_is_due_now_whether_claimed_or_done(
        self, store: Store, clock: ManualClock
    ) -> None:
        claimed, seen = await opened(store), await opened(store)
        clock.step(HOUR)
        await claim_polls(store)
        await save_poll(store, seen, poll_in=5 * SECOND)
        clock.step(-HOUR)

        repaired = await store.repair(LONGEST)

        assert repaired == 2
        assert sorted(await claim_polls(store)) == sorted([claimed.id, seen.id])

    async def test_default_answer_that_was_postponed_is_due_in_time_after_the_next_poll(
        self, store: Store, clock: ManualClock
    ) -> None:
        (callback,) = await store.open([factories.request(deadline=30 * MINUTE)])
        clock.step(HOUR)
        await store.postpone_defaults([callback.id], SECOND)
        clock.step(-HOUR)
        assert await store.next_default() == HOUR + SECOND

        clock.advance(MINUTE)
        assert await claim_polls(store) == [callback.id]
        await save_poll(store, callback, poll_in=5 * SECOND)

        assert await store.next_default() == 29 * MINUTE

    async def test_poll_of_a_sender_is_due_now_whether_claimed_or_requested(
        self, store: Store, clock: ManualClock
    ) -> None:
        options: list[dict[str, Any]] = [
            {},
            {"deadline": HOUR},
            {"deadline": 30 * MINUTE, "poll_every": None},
        ]
        polled = [await open_polled(store, **one) for one in options]
        clock.step(HOUR)
        await claim_sender_polls(store)
        steps = (PollStep.REQUESTED, PollStep.SENT)
        await store.save_sender_polls([progress(polled[0], step) for step in steps])
        clock.step(-HOUR)

        repaired = await store.repair(LONGEST)

        assert repaired == 3
        assert sorted(await claim_sender_polls(store)) == sorted(one.id for one in polled)

    async def test_report_of_a_poll_that_was_requested_in_the_future_delays_no_other(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_polled(store, deadline=30 * MINUTE)
        clock.step(HOUR)
        await store.save_sender_polls([progress(callback, PollStep.REQUESTED)])
        clock.step(-HOUR)

        await store.save_sender_polls([PollReport(callback.id, 1, "not yet")])
        clock.advance(MINUTE)

        assert await claim_sender_polls(store) == [callback.id]

    async def test_heartbeat_is_due_now(self, store: Store, clock: ManualClock) -> None:
        callback = await open_kept_alive(store)
        clock.step(HOUR)
        await claim_heartbeats(store)
        await save_sent(store, await found(store, callback.id))
        clock.step(-HOUR)

        await store.repair(LONGEST)

        assert await claim_heartbeats(store) == [callback.id]

    async def test_received_heartbeat_is_forwarded(self, store: Store, clock: ManualClock) -> None:
        callback = await opened(store)
        clock.step(HOUR)
        noted = await receive_heartbeats(store, callback, b"1")
        assert noted.callback is not None
        await save_sent(store, noted.callback)
        clock.step(-HOUR)

        assert (await receive_heartbeats(store, callback, b"2")).is_due

    async def test_heartbeat_received_before_clock_was_set_back_does_not_delay_the_next(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)
        clock.step(HOUR)
        await receive_heartbeats(store, callback, b"1")
        clock.step(-HOUR)

        assert (await receive_heartbeats(store, callback, b"2")).is_due

    async def test_due_times_that_are_not_too_far_ahead_stay(
        self, store: Store, clock: ManualClock
    ) -> None:
        delivered = await accepted(store)
        await store.claim("me", limit=1, lease=LEASE)
        await store.postpone([Postponement(delivered.id, 1, MINUTE, "no answer")])
        await open_kept_alive(store)
        await claim_polls(store)
        await open_polled(store, poll_every=10 * HOUR, deadline=20 * HOUR)
        await open_polled(store, poll_every=None, deadline=20 * HOUR)
        await open_polled(store, poll_every=SECOND)
        clock.advance(SECOND)
        await claim_sender_polls(store)

        assert await store.repair(LONGEST) == 0
        assert await store.next_due() == MINUTE - SECOND

    async def test_answered_callbacks_are_never_polled(
        self, store: Store, clock: ManualClock
    ) -> None:
        await accepted(store)
        clock.advance(LEASE)
        await claim_polls(store)

        await store.repair(LONGEST)

        assert await claim_polls(store) == []

    async def test_deadline_is_not_changed(self, store: Store, clock: ManualClock) -> None:
        request = factories.request(deadline=HOUR, on_deadline=Completed(b"1"))
        (callback,) = await store.open([request])
        clock.step(-HOUR)

        await store.repair(LONGEST)

        assert await store.next_default() == 2 * HOUR
        assert (await found(store, callback.id)).state is State.OPEN
