"""What every store promises of heartbeats that were not taken, or whose time-out changes."""

from datetime import timedelta

import pytest

from ringback.domain.event import EventKind
from ringback.ports.activities import Pulse
from ringback.ports.keeping import Beat, Sighting
from ringback.testing import ManualClock
from tests import factories
from tests.contract.kept import (
    CALM,
    GAP,
    MINUTE,
    TIMEOUT,
    beat,
    beats,
    kept_alive,
    looks,
    note,
    noted_and_due,
    pending,
    see,
)
from tests.contract.stores import (
    LEASE,
    SECOND,
    Store,
    events_of,
    found,
    opened,
)


class PostponingBeats:
    async def test_what_was_not_taken_is_due_again_when_it_was_said_and_not_before(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await kept_alive(store)
        clock.advance(GAP)
        await beats(store)

        await store.postpone_beats([callback.id], 3 * SECOND)

        clock.advance(2 * SECOND)
        assert not (await note(store, callback)).is_due
        assert await store.next_beat() == SECOND
        clock.advance(SECOND)
        assert await beats(store) == [callback.id]

    async def test_what_is_not_to_be_tried_again_is_looked_for_at_once(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await kept_alive(store)
        clock.advance(GAP)
        await looks(store)
        await beats(store)

        await store.postpone_beats([callback.id], None)

        assert await store.next_beat() is None
        assert (await found(store, callback.id)).vitals.beat_due_at is None
        assert await looks(store) == [callback.id]

    @pytest.mark.parametrize("wait", [None, MINUTE])
    async def test_what_became_of_an_earlier_attempt_s_beat_postpones_no_later_one_s(
        self, store: Store, clock: ManualClock, wait: timedelta | None
    ) -> None:
        callback = await kept_alive(store)
        clock.advance(GAP)
        await beats(store)
        again = factories.wish(
            ref=callback.ref,
            attempt=2,
            heartbeat=callback.options.heartbeat,
            heartbeat_timeout=callback.vitals.timeout,
        )
        await store.open([again])

        await store.postpone_beats([callback.id], wait)

        assert await store.next_beat() == GAP / 2

    async def test_a_beat_of_an_earlier_attempt_is_void(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await kept_alive(store)
        (later,) = await store.open([factories.wish(ref=callback.ref, attempt=2)])

        after = await beat(store, callback, Pulse(cancel_requested=True, paused=True, reset=True))

        assert after == later
        clock.advance(SECOND)
        assert await looks(store) == [callback.id]

    async def test_what_is_closed_is_beaten_no_more(self, store: Store) -> None:
        callback = await kept_alive(store)
        await store.expire([factories.expiry(callback)])
        before = await found(store, callback.id)

        assert await beat(store, callback, Pulse(True, True, True)) == before  # noqa: FBT003 - its order
        assert await store.next_beat() is None

    async def test_a_heartbeat_time_out_that_appears_makes_a_beat_due_at_once(
        self, store: Store
    ) -> None:
        callback = await kept_alive(store, None)
        without = await store.next_beat()

        await see(store, callback, pending(callback, heartbeat_timeout=TIMEOUT))

        assert without is None
        assert await store.next_beat() == timedelta(0)
        assert await beats(store) == [callback.id]

    async def test_what_is_kept_alive_by_the_outside_has_no_beat_of_ours(
        self, store: Store
    ) -> None:
        callback = await opened(store)

        await see(store, callback, pending(callback, heartbeat_timeout=TIMEOUT))

        assert await store.next_beat() is None

    async def test_a_time_out_that_becomes_shorter_makes_the_beat_due_earlier(
        self, store: Store, clock: ManualClock
    ) -> None:
        unbeaten = await kept_alive(store)
        await see(store, unbeaten, pending(unbeaten, heartbeat_timeout=TIMEOUT / 2))
        until_first = await store.next_beat()
        clock.advance(GAP)
        (claimed,) = await store.claim_beats(limit=1, lease=LEASE)
        await beat(store, claimed)
        clock.advance(SECOND)

        await see(store, unbeaten, pending(unbeaten, heartbeat_timeout=TIMEOUT / 4))

        assert until_first == GAP / 4
        assert await store.next_beat() == GAP / 4 - SECOND

    async def test_a_longer_time_out_or_the_same_one_moves_no_beat(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await kept_alive(store)
        clock.advance(SECOND)

        await see(store, callback, pending(callback, heartbeat_timeout=TIMEOUT))
        same = await store.next_beat()
        await see(store, callback, pending(callback, heartbeat_timeout=2 * TIMEOUT))

        assert same == await store.next_beat() == GAP / 2 - SECOND

    async def test_what_is_seen_of_a_claimed_beat_leaves_it_to_who_has_it(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await kept_alive(store)
        clock.advance(GAP)
        await beats(store)

        await see(store, callback, pending(callback, heartbeat_timeout=SECOND))

        assert await beats(store) == []
        assert await store.next_beat() == LEASE

    async def test_an_attempt_that_runs_after_all_is_kept_alive_again(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await kept_alive(store)
        clock.advance(GAP)
        await beats(store)
        await store.postpone_beats([callback.id], None)
        backs_off = pending(callback, is_started=False, heartbeat_timeout=TIMEOUT)
        await see(store, callback, backs_off)
        nothing = await store.next_beat()

        await see(store, callback, pending(callback, heartbeat_timeout=TIMEOUT))

        assert nothing is None
        assert await store.next_beat() == timedelta(0)

    async def test_what_is_unknown_is_left_alone(self, store: Store) -> None:
        nobody, at = factories.callback_id(), factories.NOW
        waits = pending(await opened(store))

        await store.keep_sightings([Sighting(nobody, at, waits, SECOND)])
        await store.keep_beats([Beat(nobody, at, None, CALM)])
        await store.postpone_beats([nobody], None)
        await store.postpone_beats([nobody], SECOND)
        await store.keep_sightings([])
        await store.keep_beats([])
        await store.postpone_beats([], None)

        assert await store.claim_beats(limit=9, lease=LEASE) == []
        assert await looks(store) == []
        assert await store.next_beat() is None

    async def test_several_are_kept_at_once(self, store: Store, clock: ManualClock) -> None:
        callbacks = [await kept_alive(store) for _ in range(3)]
        clock.advance(GAP)
        claimed = await store.claim_beats(limit=9, lease=LEASE)
        paused = Pulse(cancel_requested=False, paused=True, reset=False)

        await store.keep_beats([
            Beat(one.id, one.attempt_started_at, None, pulse)
            for one, pulse in zip(claimed, [CALM, paused, CALM], strict=True)
        ])

        told = [await events_of(store, one.id, EventKind.PAUSED) for one in callbacks]
        assert [len(events) for events in told] == [0, 1, 0]
        after = [(await found(store, one.id)).paused_at for one in callbacks]
        assert after == [None, clock.now(), None]
        assert await noted_and_due(store, await opened(store))
