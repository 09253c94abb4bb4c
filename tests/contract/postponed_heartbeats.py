"""What every store promises of heartbeats that were not taken, or whose timeout changes."""

from datetime import timedelta

import pytest

from ringback.domain.activity_state import HeartbeatResponse
from ringback.domain.event import EventKind
from ringback.domain.liveness import PollResult, SentHeartbeat
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import (
    LEASE,
    SECOND,
    Store,
    events_of,
    found,
    opened,
)
from tests.contract.tracked import (
    CALM,
    GAP,
    MINUTE,
    TIMEOUT,
    beat,
    beats,
    kept_alive,
    looks,
    noted_and_due,
    pending,
    receive_heartbeats,
    see,
)


class PostponedHeartbeatsContract:
    async def test_what_was_not_taken_is_due_again_when_it_was_said_and_not_before(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await kept_alive(store)
        clock.advance(GAP)
        await beats(store)

        await store.postpone_heartbeats([callback.id], 3 * SECOND)

        clock.advance(2 * SECOND)
        assert not (await receive_heartbeats(store, callback)).is_due
        assert await store.next_heartbeat() == SECOND
        clock.advance(SECOND)
        assert await beats(store) == [callback.id]

    async def test_what_is_not_to_be_tried_again_is_looked_for_at_once(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await kept_alive(store)
        clock.advance(GAP)
        await looks(store)
        await beats(store)

        await store.postpone_heartbeats([callback.id], None)

        assert await store.next_heartbeat() is None
        assert (await found(store, callback.id)).heartbeat_state.heartbeat_due_at is None
        assert await looks(store) == [callback.id]

    @pytest.mark.parametrize("wait", [None, MINUTE])
    async def test_what_became_of_an_earlier_attempt_s_beat_postpones_no_later_one_s(
        self, store: Store, clock: ManualClock, wait: timedelta | None
    ) -> None:
        callback = await kept_alive(store)
        clock.advance(GAP)
        await beats(store)
        again = factories.request(
            ref=callback.ref,
            attempt=2,
            heartbeat=callback.options.heartbeat,
            heartbeat_timeout=callback.heartbeat_state.timeout,
        )
        await store.open([again])

        await store.postpone_heartbeats([callback.id], wait)

        assert await store.next_heartbeat() == GAP / 2

    async def test_a_beat_of_an_earlier_attempt_is_void(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await kept_alive(store)
        (later,) = await store.open([factories.request(ref=callback.ref, attempt=2)])

        after = await beat(
            store, callback, HeartbeatResponse(cancel_requested=True, paused=True, reset=True)
        )

        assert after == later
        clock.advance(SECOND)
        assert await looks(store) == [callback.id]

    async def test_what_is_closed_is_beaten_no_more(self, store: Store) -> None:
        callback = await kept_alive(store)
        await store.expire([factories.expiry(callback)])
        before = await found(store, callback.id)

        assert await beat(store, callback, HeartbeatResponse(True, True, True)) == before  # noqa: FBT003 - its order
        assert await store.next_heartbeat() is None

    async def test_a_heartbeat_time_out_that_appears_makes_a_beat_due_at_once(
        self, store: Store
    ) -> None:
        callback = await kept_alive(store, None)
        without = await store.next_heartbeat()

        await see(store, callback, pending(callback, heartbeat_timeout=TIMEOUT))

        assert without is None
        assert await store.next_heartbeat() == timedelta(0)
        assert await beats(store) == [callback.id]

    async def test_what_is_kept_alive_by_the_outside_has_no_beat_of_ours(
        self, store: Store
    ) -> None:
        callback = await opened(store)

        await see(store, callback, pending(callback, heartbeat_timeout=TIMEOUT))

        assert await store.next_heartbeat() is None

    async def test_a_time_out_that_becomes_shorter_makes_the_beat_due_earlier(
        self, store: Store, clock: ManualClock
    ) -> None:
        unbeaten = await kept_alive(store)
        await see(store, unbeaten, pending(unbeaten, heartbeat_timeout=TIMEOUT / 2))
        until_first = await store.next_heartbeat()
        clock.advance(GAP)
        (claimed,) = await store.claim_heartbeats(limit=1, lease=LEASE)
        await beat(store, claimed)
        clock.advance(SECOND)

        await see(store, unbeaten, pending(unbeaten, heartbeat_timeout=TIMEOUT / 4))

        assert until_first == GAP / 4
        assert await store.next_heartbeat() == GAP / 4 - SECOND

    async def test_a_longer_time_out_or_the_same_one_moves_no_beat(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await kept_alive(store)
        clock.advance(SECOND)

        await see(store, callback, pending(callback, heartbeat_timeout=TIMEOUT))
        same = await store.next_heartbeat()
        await see(store, callback, pending(callback, heartbeat_timeout=2 * TIMEOUT))

        assert same == await store.next_heartbeat() == GAP / 2 - SECOND

    async def test_what_is_seen_of_a_claimed_beat_leaves_it_to_who_has_it(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await kept_alive(store)
        clock.advance(GAP)
        await beats(store)

        await see(store, callback, pending(callback, heartbeat_timeout=SECOND))

        assert await beats(store) == []
        assert await store.next_heartbeat() == LEASE

    async def test_an_attempt_that_runs_after_all_is_kept_alive_again(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await kept_alive(store)
        clock.advance(GAP)
        await beats(store)
        await store.postpone_heartbeats([callback.id], None)
        backs_off = pending(callback, is_started=False, heartbeat_timeout=TIMEOUT)
        await see(store, callback, backs_off)
        nothing = await store.next_heartbeat()

        await see(store, callback, pending(callback, heartbeat_timeout=TIMEOUT))

        assert nothing is None
        assert await store.next_heartbeat() == timedelta(0)

    async def test_what_is_unknown_is_left_alone(self, store: Store) -> None:
        nobody, at = factories.callback_id(), factories.NOW
        waits = pending(await opened(store))

        await store.save_poll_results([PollResult(nobody, at, waits, SECOND)])
        await store.save_sent_heartbeats([SentHeartbeat(nobody, at, None, CALM)])
        await store.postpone_heartbeats([nobody], None)
        await store.postpone_heartbeats([nobody], SECOND)
        await store.save_poll_results([])
        await store.save_sent_heartbeats([])
        await store.postpone_heartbeats([], None)

        assert await store.claim_heartbeats(limit=9, lease=LEASE) == []
        assert await looks(store) == []
        assert await store.next_heartbeat() is None

    async def test_several_are_kept_at_once(self, store: Store, clock: ManualClock) -> None:
        callbacks = [await kept_alive(store) for _ in range(3)]
        clock.advance(GAP)
        claimed = await store.claim_heartbeats(limit=9, lease=LEASE)
        paused = HeartbeatResponse(cancel_requested=False, paused=True, reset=False)

        await store.save_sent_heartbeats([
            SentHeartbeat(one.id, one.attempt_started_at, None, response)
            for one, response in zip(claimed, [CALM, paused, CALM], strict=True)
        ])

        told = [await events_of(store, one.id, EventKind.PAUSED) for one in callbacks]
        assert [len(events) for events in told] == [0, 1, 0]
        after = [(await found(store, one.id)).paused_at for one in callbacks]
        assert after == [None, clock.now(), None]
        assert await noted_and_due(store, await opened(store))
