"""The contract of every store for postponed heartbeats and changed timeouts."""

from datetime import timedelta

import pytest

from ringback.domain.activity_state import HeartbeatResponse
from ringback.domain.audit import AuditKind
from ringback.domain.liveness import PollResult, SentHeartbeat
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import (
    LEASE,
    SECOND,
    Store,
    entries_of,
    found,
    opened,
)
from tests.contract.tracked import (
    CALM,
    GAP,
    MINUTE,
    TIMEOUT,
    claim_heartbeats,
    claim_polls,
    open_kept_alive,
    pending,
    receive_due_heartbeat,
    receive_heartbeats,
    save_poll,
    save_sent,
)


class PostponedHeartbeatsContract:
    async def test_postponed_heartbeat_is_due_after_its_wait(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_kept_alive(store)
        clock.advance(GAP)
        await claim_heartbeats(store)

        await store.postpone_heartbeats([callback.id], 3 * SECOND)

        clock.advance(2 * SECOND)
        assert not (await receive_heartbeats(store, callback)).is_due
        assert await store.next_heartbeat() == SECOND
        clock.advance(SECOND)
        assert await claim_heartbeats(store) == [callback.id]

    async def test_heartbeat_given_up_makes_poll_due_now(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_kept_alive(store)
        clock.advance(GAP)
        await claim_polls(store)
        await claim_heartbeats(store)

        await store.postpone_heartbeats([callback.id], None)

        assert await store.next_heartbeat() is None
        assert (await found(store, callback.id)).heartbeat_state.heartbeat_due_at is None
        assert await claim_polls(store) == [callback.id]

    @pytest.mark.parametrize("wait", [None, MINUTE])
    async def test_postponement_of_earlier_attempt_is_ignored(
        self, store: Store, clock: ManualClock, wait: timedelta | None
    ) -> None:
        callback = await open_kept_alive(store)
        clock.advance(GAP)
        await claim_heartbeats(store)
        again = factories.request(
            ref=callback.ref,
            attempt=2,
            heartbeat=callback.options.heartbeat,
            heartbeat_timeout=callback.heartbeat_state.timeout,
        )
        await store.open([again])

        await store.postpone_heartbeats([callback.id], wait)

        assert await store.next_heartbeat() == GAP / 2

    async def test_sent_heartbeat_of_earlier_attempt_is_ignored(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_kept_alive(store)
        (later,) = await store.open([factories.request(ref=callback.ref, attempt=2)])

        after = await save_sent(
            store, callback, HeartbeatResponse(cancel_requested=True, paused=True, reset=True)
        )

        assert after == later
        clock.advance(SECOND)
        assert await claim_polls(store) == [callback.id]

    async def test_closed_callback_gets_no_heartbeats(self, store: Store) -> None:
        callback = await open_kept_alive(store)
        await store.expire([factories.expiry(callback)])
        before = await found(store, callback.id)

        assert await save_sent(store, callback, HeartbeatResponse(True, True, True)) == before  # noqa: FBT003 - its order
        assert await store.next_heartbeat() is None

    async def test_new_heartbeat_timeout_makes_heartbeat_due_now(self, store: Store) -> None:
        callback = await open_kept_alive(store, None)
        without = await store.next_heartbeat()

        await save_poll(store, callback, pending(callback, heartbeat_timeout=TIMEOUT))

        assert without is None
        assert await store.next_heartbeat() == timedelta(0)
        assert await claim_heartbeats(store) == [callback.id]

    async def test_callback_with_sender_heartbeats_gets_none_from_gateway(
        self, store: Store
    ) -> None:
        callback = await opened(store)

        await save_poll(store, callback, pending(callback, heartbeat_timeout=TIMEOUT))

        assert await store.next_heartbeat() is None

    async def test_shorter_timeout_makes_heartbeat_due_earlier(
        self, store: Store, clock: ManualClock
    ) -> None:
        unbeaten = await open_kept_alive(store)
        await save_poll(store, unbeaten, pending(unbeaten, heartbeat_timeout=TIMEOUT / 2))
        until_first = await store.next_heartbeat()
        clock.advance(GAP)
        (claimed,) = await store.claim_heartbeats(limit=1, lease=LEASE)
        await save_sent(store, claimed)
        clock.advance(SECOND)

        await save_poll(store, unbeaten, pending(unbeaten, heartbeat_timeout=TIMEOUT / 4))

        assert until_first == GAP / 4
        assert await store.next_heartbeat() == GAP / 4 - SECOND

    async def test_longer_or_same_timeout_moves_no_heartbeat(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_kept_alive(store)
        clock.advance(SECOND)

        await save_poll(store, callback, pending(callback, heartbeat_timeout=TIMEOUT))
        same = await store.next_heartbeat()
        await save_poll(store, callback, pending(callback, heartbeat_timeout=2 * TIMEOUT))

        assert same == await store.next_heartbeat() == GAP / 2 - SECOND

    async def test_poll_result_does_not_move_claimed_heartbeat(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_kept_alive(store)
        clock.advance(GAP)
        await claim_heartbeats(store)

        await save_poll(store, callback, pending(callback, heartbeat_timeout=SECOND))

        assert await claim_heartbeats(store) == []
        assert await store.next_heartbeat() == LEASE

    async def test_attempt_found_running_gets_heartbeats_again(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_kept_alive(store)
        clock.advance(GAP)
        await claim_heartbeats(store)
        await store.postpone_heartbeats([callback.id], None)
        backs_off = pending(callback, is_started=False, heartbeat_timeout=TIMEOUT)
        await save_poll(store, callback, backs_off)
        nothing = await store.next_heartbeat()

        await save_poll(store, callback, pending(callback, heartbeat_timeout=TIMEOUT))

        assert nothing is None
        assert await store.next_heartbeat() == timedelta(0)

    async def test_unknown_callbacks_are_ignored(self, store: Store) -> None:
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
        assert await claim_polls(store) == []
        assert await store.next_heartbeat() is None

    async def test_several_heartbeats_are_saved_in_one_call(
        self, store: Store, clock: ManualClock
    ) -> None:
        callbacks = [await open_kept_alive(store) for _ in range(3)]
        clock.advance(GAP)
        claimed = await store.claim_heartbeats(limit=9, lease=LEASE)
        paused = HeartbeatResponse(cancel_requested=False, paused=True, reset=False)

        await store.save_sent_heartbeats([
            SentHeartbeat(one.id, one.attempt_started_at, None, response)
            for one, response in zip(claimed, [CALM, paused, CALM], strict=True)
        ])

        told = [await entries_of(store, one.id, AuditKind.PAUSED) for one in callbacks]
        assert [len(entries) for entries in told] == [0, 1, 0]
        after = [(await found(store, one.id)).paused_at for one in callbacks]
        assert after == [None, clock.now(), None]
        assert await receive_due_heartbeat(store, await opened(store))
