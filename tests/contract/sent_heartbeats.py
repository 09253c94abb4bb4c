"""The contract of every store for heartbeats that the gateway sends."""

from dataclasses import replace

from ringback.domain.activity_state import HeartbeatResponse
from ringback.domain.audit import AuditKind
from ringback.domain.callback import State
from ringback.domain.outcome import Completed
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import (
    LEASE,
    SECOND,
    Store,
    entries_of,
    found,
    kinds,
    opened,
)
from tests.contract.tracked import (
    CALM,
    GAP,
    MINUTE,
    claim_heartbeats,
    claim_polls,
    open_kept_alive,
    pending,
    receive_due_heartbeat,
    save_poll,
    save_sent,
)


class SentHeartbeatsContract:
    async def test_first_heartbeat_is_due_soon_after_opening(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_kept_alive(store)
        until_due = await store.next_heartbeat()
        too_early = await claim_heartbeats(store)
        clock.advance(GAP / 2)

        (claimed,) = await store.claim_heartbeats(limit=1, lease=LEASE)

        assert (until_due, too_early) == (GAP / 2, [])
        assert claimed.heartbeat_state == replace(
            callback.heartbeat_state, heartbeat_due_at=clock.now() + LEASE
        )
        assert claimed == await found(store, callback.id)

    async def test_claimed_heartbeat_is_not_claimed_again_during_its_lease(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_kept_alive(store)
        clock.advance(GAP)

        first = await claim_heartbeats(store)
        clock.advance(LEASE - SECOND)
        nothing = await claim_heartbeats(store)
        clock.advance(SECOND)

        assert (first, nothing) == ([callback.id], [])
        assert await claim_heartbeats(store) == [callback.id]

    async def test_claim_returns_longest_due_heartbeats_up_to_limit(
        self, store: Store, clock: ManualClock
    ) -> None:
        waiting = [(await open_kept_alive(store, seconds * SECOND)).id for seconds in (30, 10, 20)]
        clock.advance(MINUTE)

        assert await claim_heartbeats(store, limit=2) == [waiting[1], waiting[2]]

    async def test_heartbeats_continue_until_outcome_is_settled(
        self, store: Store, clock: ManualClock
    ) -> None:
        callbacks = [await open_kept_alive(store) for _ in range(4)]
        answered, parked, applied, expired = callbacks
        await store.accept([factories.answer(one.id) for one in callbacks[:3]])
        await store.expire([factories.expiry(expired)])
        tried = await store.find([parked.id, applied.id])
        await store.settle([
            factories.settlement(tried[parked.id], State.PARKED),
            factories.settlement(tried[applied.id]),
        ])
        clock.advance(GAP)

        claimed = await store.claim_heartbeats(limit=9, lease=LEASE)

        assert [one.id for one in claimed] == [answered.id, parked.id]
        assert [
            (await save_sent(store, one)).heartbeat_state.heartbeat_sent_at for one in claimed
        ] == 2 * [clock.now()]
        assert await store.next_heartbeat() == GAP

    async def test_next_heartbeat_is_due_after_half_the_timeout(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_kept_alive(store)
        clock.advance(GAP)
        (claimed,) = await store.claim_heartbeats(limit=1, lease=LEASE)
        clock.advance(SECOND)

        after = await save_sent(store, claimed)

        heartbeat_state = replace(
            callback.heartbeat_state,
            heartbeat_sent_at=clock.now(),
            heartbeat_due_at=clock.now() + GAP,
        )
        assert after == replace(callback, heartbeat_state=heartbeat_state)
        assert await store.next_heartbeat() == GAP

    async def test_sender_heartbeats_are_not_repeated(self, store: Store) -> None:
        callback = await opened(store)

        after = await save_sent(store, await receive_due_heartbeat(store, callback))

        assert after.heartbeat_state.heartbeat_due_at is None
        assert await store.next_heartbeat() is None

    async def test_heartbeat_does_not_move_next_poll(
        self, store: Store, clock: ManualClock
    ) -> None:
        """The response contains no timeouts, which an operator may change."""
        callback = await opened(store)
        clock.advance(SECOND / 2)

        await save_sent(store, await receive_due_heartbeat(store, callback))

        assert await claim_polls(store) == []
        clock.advance(SECOND / 2)
        assert await claim_polls(store) == [callback.id]

    async def test_heartbeat_response_is_recorded_once(
        self, store: Store, clock: ManualClock
    ) -> None:
        (callback,) = await store.open([
            factories.request(cancel_within=MINUTE, on_deadline=Completed(b"0"))
        ])
        claimed = await receive_due_heartbeat(store, callback)
        response = HeartbeatResponse(cancel_requested=True, paused=True, reset=True)

        first = await save_sent(store, claimed, response)
        again = await save_sent(store, claimed, response)
        runs = await save_sent(store, claimed, replace(response, paused=False))

        assert (first.cancel_requested_at, first.paused_at) == (clock.now(), clock.now())
        assert (again.cancel_requested_at, again.paused_at) == (clock.now(), clock.now())
        assert (runs.cancel_requested_at, runs.paused_at) == (clock.now(), None)
        news = [AuditKind.CANCEL_REQUESTED, AuditKind.PAUSED, AuditKind.RESET, AuditKind.UNPAUSED]
        assert await kinds(store, callback.id) == [AuditKind.OPENED, *news]
        assert await store.next_default() == MINUTE

    async def test_reset_is_recorded_once_whether_polled_or_responded(self, store: Store) -> None:
        (callback,) = await store.open([factories.request(attempt=2)])
        claimed = await receive_due_heartbeat(store, callback)
        await save_sent(store, claimed, replace(CALM, reset=True))

        await save_poll(store, callback, pending(callback, attempt=1))

        assert len(await entries_of(store, callback.id, AuditKind.RESET)) == 1
        assert (await found(store, callback.id)).attempt == 2
