"""What every store promises to those who take signs of life from outside."""

from dataclasses import replace

import pytest

from ringback.domain.activity_state import DETAILS_INTERVAL
from ringback.domain.callback import State
from ringback.domain.liveness import HeartbeatReceipt, ReceivedHeartbeat
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import (
    LEASE,
    SECOND,
    Store,
    found,
    in_state,
    opened,
)
from tests.contract.tracked import (
    GAP,
    MINUTE,
    TIMEOUT,
    beat,
    beats,
    kept_alive,
    noted_and_due,
    pending,
    receive_heartbeats,
    see,
)


class ReceivedHeartbeatsContract:
    async def test_the_first_sign_of_life_is_passed_on_at_once(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)

        noted = await receive_heartbeats(store, callback, b"1")

        after = await found(store, callback.id)
        heartbeat_state = replace(
            callback.heartbeat_state, details=b"1", heartbeat_received_at=clock.now()
        )
        heartbeat_state = replace(heartbeat_state, heartbeat_due_at=clock.now() + LEASE)
        assert noted == HeartbeatReceipt(after, is_due=True)
        assert after == replace(callback, heartbeat_state=heartbeat_state)

    async def test_what_somebody_passes_on_nobody_else_does_until_the_lease_is_over(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)
        await noted_and_due(store, callback)

        second = await receive_heartbeats(store, callback, b"2")
        claimed = await beats(store)
        clock.advance(LEASE)

        assert (second.is_due, claimed) == (False, [])
        assert await beats(store) == [callback.id]

    async def test_further_ones_are_passed_on_when_half_the_time_out_has_passed(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)
        await see(store, callback, pending(callback, heartbeat_timeout=TIMEOUT))
        await beat(store, await noted_and_due(store, callback))
        clock.advance(SECOND)

        noted = [await receive_heartbeats(store, callback, details) for details in (b"1", b"2")]

        assert [one.is_due for one in noted] == [False, False]
        assert await store.next_heartbeat() == GAP - SECOND
        clock.advance(GAP - SECOND)
        (due,) = await store.claim_heartbeats(limit=1, lease=LEASE)
        assert due.heartbeat_state.details == b"2"

    async def test_without_a_time_out_they_are_passed_on_unhurriedly(self, store: Store) -> None:
        callback = await opened(store)
        await beat(store, await noted_and_due(store, callback))

        await receive_heartbeats(store, callback)

        assert await store.next_heartbeat() == DETAILS_INTERVAL

    async def test_after_half_the_time_out_the_next_one_is_due(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)
        await beat(store, await noted_and_due(store, callback))
        clock.advance(DETAILS_INTERVAL - SECOND)
        too_early = await receive_heartbeats(store, callback)
        clock.advance(SECOND)

        assert not too_early.is_due
        assert (await receive_heartbeats(store, callback)).is_due

    async def test_what_is_kept_alive_is_not_beaten_later_for_what_was_said(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await kept_alive(store)
        await beat(store, await noted_and_due(store, callback))
        before = await store.next_heartbeat()
        clock.advance(SECOND)

        await receive_heartbeats(store, callback)

        assert before == GAP
        assert await store.next_heartbeat() == GAP - SECOND

    async def test_details_are_never_erased(self, store: Store, clock: ManualClock) -> None:
        callback = await opened(store)

        for details in (b"1", None, b"null", None):
            noted = await receive_heartbeats(store, callback, details)
            clock.advance(MINUTE)

        assert noted.callback is not None
        assert noted.callback.heartbeat_state.details == b"null"

    async def test_what_was_said_to_one_attempt_is_not_repeated_to_the_next(
        self, store: Store
    ) -> None:
        """Temporal has it, and the next attempt may have recorded something newer itself."""
        callback = await opened(store)
        await receive_heartbeats(store, callback, b"1")

        (later,) = await store.open([factories.request(ref=callback.ref, attempt=2)])

        assert later.heartbeat_state.details is None

    async def test_of_several_at_once_each_is_answered_and_one_is_due(self, store: Store) -> None:
        one, other = await opened(store), await opened(store)
        nobody = factories.callback_id()
        ids = [one.id, other.id, nobody, one.id]

        noted = await store.receive_heartbeats(
            [ReceivedHeartbeat(id_, str(number).encode()) for number, id_ in enumerate(ids)],
            lease=LEASE,
        )

        assert [told.is_due for told in noted] == [True, True, False, False]
        assert [told.callback and told.callback.id for told in noted] == [*ids[:2], None, one.id]
        assert [told.callback and told.callback.heartbeat_state.details for told in noted] == [
            b"0",
            b"1",
            None,
            b"3",
        ]
        assert await store.receive_heartbeats([], lease=LEASE) == []

    async def test_what_is_said_at_the_instant_of_a_claim_is_still_passed_on(
        self, store: Store
    ) -> None:
        callback = await opened(store)
        claimed = await noted_and_due(store, callback, b"1")
        await receive_heartbeats(store, callback, b"2")

        after = await beat(store, claimed)

        assert after.heartbeat_state.details == b"2"
        assert await store.next_heartbeat() == DETAILS_INTERVAL

    @pytest.mark.parametrize("state", [one for one in State if one is not State.OPEN])
    async def test_only_an_open_callback_takes_any(self, store: Store, state: State) -> None:
        callback = await in_state(store, state)

        noted = await receive_heartbeats(store, callback, b"1")

        assert noted == HeartbeatReceipt(callback, is_due=False)
        assert await found(store, callback.id) == callback

    async def test_a_later_attempt_is_told_at_once_whoever_told_the_one_before(
        self, store: Store
    ) -> None:
        callback = await opened(store)
        await noted_and_due(store, callback)

        await store.open([factories.request(ref=callback.ref, attempt=2)])

        assert (await receive_heartbeats(store, callback)).is_due
