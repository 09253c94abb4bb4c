"""What every store promises to those who keep activities alive."""

from dataclasses import replace

from ringback.domain.activity_state import HeartbeatResponse
from ringback.domain.callback import State
from ringback.domain.event import EventKind
from ringback.domain.outcome import Completed
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import (
    LEASE,
    SECOND,
    Store,
    events_of,
    found,
    kinds,
    opened,
)
from tests.contract.tracked import (
    CALM,
    GAP,
    MINUTE,
    beat,
    beats,
    kept_alive,
    looks,
    noted_and_due,
    pending,
    see,
)


class SentHeartbeatsContract:
    async def test_a_kept_alive_attempt_is_due_soon_after_it_asked(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await kept_alive(store)
        until_due = await store.next_heartbeat()
        too_early = await beats(store)
        clock.advance(GAP / 2)

        (claimed,) = await store.claim_heartbeats(limit=1, lease=LEASE)

        assert (until_due, too_early) == (GAP / 2, [])
        assert claimed.heartbeat_state == replace(
            callback.heartbeat_state, heartbeat_due_at=clock.now() + LEASE
        )
        assert claimed == await found(store, callback.id)

    async def test_a_claimed_beat_is_alone_until_its_lease_is_over(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await kept_alive(store)
        clock.advance(GAP)

        first = await beats(store)
        clock.advance(LEASE - SECOND)
        nothing = await beats(store)
        clock.advance(SECOND)

        assert (first, nothing) == ([callback.id], [])
        assert await beats(store) == [callback.id]

    async def test_the_longest_due_is_beaten_first_and_no_more_than_asked(
        self, store: Store, clock: ManualClock
    ) -> None:
        waiting = [(await kept_alive(store, seconds * SECOND)).id for seconds in (30, 10, 20)]
        clock.advance(MINUTE)

        assert await beats(store, limit=2) == [waiting[1], waiting[2]]

    async def test_an_attempt_lives_until_its_answer_has_reached_it(
        self, store: Store, clock: ManualClock
    ) -> None:
        callbacks = [await kept_alive(store) for _ in range(4)]
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
            (await beat(store, one)).heartbeat_state.heartbeat_sent_at for one in claimed
        ] == 2 * [clock.now()]
        assert await store.next_heartbeat() == GAP

    async def test_what_is_kept_alive_is_due_again_after_half_the_time_out(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await kept_alive(store)
        clock.advance(GAP)
        (claimed,) = await store.claim_heartbeats(limit=1, lease=LEASE)
        clock.advance(SECOND)

        after = await beat(store, claimed)

        heartbeat_state = replace(
            callback.heartbeat_state,
            heartbeat_sent_at=clock.now(),
            heartbeat_due_at=clock.now() + GAP,
        )
        assert after == replace(callback, heartbeat_state=heartbeat_state)
        assert await store.next_heartbeat() == GAP

    async def test_the_outside_s_own_are_not_repeated(self, store: Store) -> None:
        callback = await opened(store)

        after = await beat(store, await noted_and_due(store, callback))

        assert after.heartbeat_state.heartbeat_due_at is None
        assert await store.next_heartbeat() is None

    async def test_a_heartbeat_leaves_the_next_look_where_it_was(
        self, store: Store, clock: ManualClock
    ) -> None:
        """It does not tell the timeouts, which an operator may change."""
        callback = await opened(store)
        clock.advance(SECOND / 2)

        await beat(store, await noted_and_due(store, callback))

        assert await looks(store) == []
        clock.advance(SECOND / 2)
        assert await looks(store) == [callback.id]

    async def test_what_temporal_answers_is_told_once(
        self, store: Store, clock: ManualClock
    ) -> None:
        (callback,) = await store.open([
            factories.request(cancel_within=MINUTE, on_deadline=Completed(b"0"))
        ])
        claimed = await noted_and_due(store, callback)
        response = HeartbeatResponse(cancel_requested=True, paused=True, reset=True)

        first = await beat(store, claimed, response)
        again = await beat(store, claimed, response)
        runs = await beat(store, claimed, replace(response, paused=False))

        assert (first.cancel_requested_at, first.paused_at) == (clock.now(), clock.now())
        assert (again.cancel_requested_at, again.paused_at) == (clock.now(), clock.now())
        assert (runs.cancel_requested_at, runs.paused_at) == (clock.now(), None)
        news = [EventKind.CANCEL_REQUESTED, EventKind.PAUSED, EventKind.RESET, EventKind.UNPAUSED]
        assert await kinds(store, callback.id) == [EventKind.OPENED, *news]
        assert await store.next_default() == MINUTE

    async def test_a_reset_is_told_once_whether_it_was_seen_or_answered(self, store: Store) -> None:
        (callback,) = await store.open([factories.request(attempt=2)])
        claimed = await noted_and_due(store, callback)
        await beat(store, claimed, replace(CALM, reset=True))

        await see(store, callback, pending(callback, attempt=1))

        assert len(await events_of(store, callback.id, EventKind.RESET)) == 1
        assert (await found(store, callback.id)).attempt == 2
