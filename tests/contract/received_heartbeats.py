"""The contract of every store for heartbeats that senders send."""

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
    claim_heartbeats,
    open_kept_alive,
    pending,
    receive_due_heartbeat,
    receive_heartbeats,
    save_poll,
    save_sent,
)


class ReceivedHeartbeatsContract:
    async def test_first_received_heartbeat_is_due_now(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)

        receipts = await receive_heartbeats(store, callback, b"1")

        after = await found(store, callback.id)
        heartbeat_state = replace(
            callback.heartbeat_state, details=b"1", heartbeat_received_at=clock.now()
        )
        heartbeat_state = replace(heartbeat_state, heartbeat_due_at=clock.now() + LEASE)
        assert receipts == HeartbeatReceipt(after, is_due=True)
        assert after == replace(callback, heartbeat_state=heartbeat_state)

    async def test_received_heartbeat_is_forwarded_by_one_gateway_during_lease(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)
        await receive_due_heartbeat(store, callback)

        second = await receive_heartbeats(store, callback, b"2")
        claimed = await claim_heartbeats(store)
        clock.advance(LEASE)

        assert (second.is_due, claimed) == (False, [])
        assert await claim_heartbeats(store) == [callback.id]

    async def test_further_heartbeats_are_due_after_half_the_timeout(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)
        await save_poll(store, callback, pending(callback, heartbeat_timeout=TIMEOUT))
        await save_sent(store, await receive_due_heartbeat(store, callback))
        clock.advance(SECOND)

        receipts = [await receive_heartbeats(store, callback, details) for details in (b"1", b"2")]

        assert [one.is_due for one in receipts] == [False, False]
        assert await store.next_heartbeat() == GAP - SECOND
        clock.advance(GAP - SECOND)
        (due,) = await store.claim_heartbeats(limit=1, lease=LEASE)
        assert due.heartbeat_state.details == b"2"

    async def test_without_timeout_heartbeats_are_forwarded_at_details_interval(
        self, store: Store
    ) -> None:
        callback = await opened(store)
        await save_sent(store, await receive_due_heartbeat(store, callback))

        await receive_heartbeats(store, callback)

        assert await store.next_heartbeat() == DETAILS_INTERVAL

    async def test_heartbeat_after_half_the_timeout_is_due_now(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)
        await save_sent(store, await receive_due_heartbeat(store, callback))
        clock.advance(DETAILS_INTERVAL - SECOND)
        too_early = await receive_heartbeats(store, callback)
        clock.advance(SECOND)

        assert not too_early.is_due
        assert (await receive_heartbeats(store, callback)).is_due

    async def test_received_heartbeat_does_not_delay_gateway_heartbeat(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_kept_alive(store)
        await save_sent(store, await receive_due_heartbeat(store, callback))
        before = await store.next_heartbeat()
        clock.advance(SECOND)

        await receive_heartbeats(store, callback)

        assert before == GAP
        assert await store.next_heartbeat() == GAP - SECOND

    async def test_heartbeat_without_details_keeps_earlier_details(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)

        for details in (b"1", None, b"null", None):
            receipts = await receive_heartbeats(store, callback, details)
            clock.advance(MINUTE)

        assert receipts.callback is not None
        assert receipts.callback.heartbeat_state.details == b"null"

    async def test_details_of_one_attempt_are_not_sent_to_the_next(self, store: Store) -> None:
        """The next attempt may have recorded newer details itself."""
        callback = await opened(store)
        await receive_heartbeats(store, callback, b"1")

        (later,) = await store.open([factories.request(ref=callback.ref, attempt=2)])

        assert later.heartbeat_state.details is None

    async def test_several_heartbeats_in_one_call_get_receipts_and_one_is_due(
        self, store: Store
    ) -> None:
        one, other = await opened(store), await opened(store)
        nobody = factories.callback_id()
        ids = [one.id, other.id, nobody, one.id]

        receipts = await store.receive_heartbeats(
            [ReceivedHeartbeat(id_, str(number).encode()) for number, id_ in enumerate(ids)],
            lease=LEASE,
        )

        assert [one.is_due for one in receipts] == [True, True, False, False]
        assert [one.callback and one.callback.id for one in receipts] == [*ids[:2], None, one.id]
        assert [one.callback and one.callback.heartbeat_state.details for one in receipts] == [
            b"0",
            b"1",
            None,
            b"3",
        ]
        assert await store.receive_heartbeats([], lease=LEASE) == []

    async def test_heartbeat_received_when_claimed_is_still_forwarded(self, store: Store) -> None:
        callback = await opened(store)
        claimed = await receive_due_heartbeat(store, callback, b"1")
        await receive_heartbeats(store, callback, b"2")

        after = await save_sent(store, claimed)

        assert after.heartbeat_state.details == b"2"
        assert await store.next_heartbeat() == DETAILS_INTERVAL

    @pytest.mark.parametrize("state", [one for one in State if one is not State.OPEN])
    async def test_only_open_callback_accepts_heartbeats(self, store: Store, state: State) -> None:
        callback = await in_state(store, state)

        receipts = await receive_heartbeats(store, callback, b"1")

        assert receipts == HeartbeatReceipt(callback, is_due=False)
        assert await found(store, callback.id) == callback

    async def test_heartbeat_to_later_attempt_is_due_now(self, store: Store) -> None:
        callback = await opened(store)
        await receive_due_heartbeat(store, callback)

        await store.open([factories.request(ref=callback.ref, attempt=2)])

        assert (await receive_heartbeats(store, callback)).is_due
