"""What every store promises to those who look how activities wait."""

from datetime import timedelta

import pytest

from ringback.domain.callback import State
from ringback.domain.durations import format_instant
from ringback.domain.event import EventKind
from ringback.domain.outcome import Canceled, Completed
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import (
    LEASE,
    SECOND,
    Store,
    accepted,
    accepted_callbacks,
    events_of,
    found,
    in_state,
    kinds,
    opened,
)
from tests.contract.tracked import MINUTE, looks, of_runs, pending, see


class ActivityPollsContract:
    async def test_a_new_callback_is_first_looked_for_after_a_second(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)
        too_early = await looks(store)
        clock.advance(SECOND)

        due = await store.claim_polls(limit=1, lease=LEASE)

        assert too_early == []
        assert list(due.callbacks) == [callback]

    async def test_a_claimed_look_is_alone_until_its_lease_is_over(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)
        clock.advance(SECOND)

        first = await looks(store)
        clock.advance(LEASE - SECOND)
        nothing = await looks(store)
        clock.advance(SECOND)

        assert first == [callback.id]
        assert nothing == []
        assert await looks(store) == [callback.id]

    async def test_only_what_is_open_is_looked_for(self, store: Store, clock: ManualClock) -> None:
        callbacks = [await in_state(store, state) for state in State]
        clock.advance(MINUTE)

        due = await looks(store)

        assert due == [callback.id for callback in callbacks if callback.state is State.OPEN]

    async def test_the_longest_due_is_looked_for_first_and_no_more_runs_than_asked(
        self, store: Store, clock: ManualClock
    ) -> None:
        (third,), (first,) = [await of_runs(store, run_id) for run_id in ("z", "y")]
        await see(store, await found(store, third), poll_in=3 * SECOND)
        clock.advance(SECOND)
        (second,) = await of_runs(store, "x")
        clock.advance(MINUTE)

        assert await looks(store, limit=2) == [first, second]
        assert await looks(store, limit=2) == [third]

    async def test_those_of_one_run_come_together_due_or_not(
        self, store: Store, clock: ManualClock
    ) -> None:
        one, other, another = await of_runs(store, "r", "another", "r")
        clock.advance(SECOND)
        (new,) = await of_runs(store, "r")

        first = await looks(store, limit=1)

        assert first == [one, another, new]
        assert await looks(store, limit=1) == [other]

    async def test_however_many_there_are_of_each_run_as_many_runs_are_claimed_as_asked(
        self, store: Store, clock: ManualClock
    ) -> None:
        *first, _ = await of_runs(store, "a", "a", "a", "b", "b", "a", "c")
        clock.advance(SECOND)

        claimed = await looks(store, limit=2)

        assert claimed == [*first[:3], first[5], *first[3:5]]

    async def test_what_is_answered_takes_nobody_s_place(
        self, store: Store, clock: ManualClock
    ) -> None:
        await accepted(store)
        callback = await opened(store)
        clock.advance(SECOND)

        assert await looks(store, limit=1) == [callback.id]

    async def test_however_many_are_answered_what_is_open_is_found_behind_them(
        self, store: Store, clock: ManualClock
    ) -> None:
        await accepted_callbacks(store, 50)
        callback = await opened(store)
        clock.advance(SECOND)

        claim = await store.claim_polls(limit=1, lease=LEASE)

        assert [one.id for one in claim.callbacks] == [callback.id]

    async def test_a_run_of_another_workflow_or_namespace_is_another_run(
        self, store: Store, clock: ManualClock
    ) -> None:
        one, other = await store.open([
            factories.request(ref=factories.activity_ref(run_id="r")) for _ in range(2)
        ])
        clock.advance(SECOND)

        claims = [await looks(store, limit=1) for _ in range(2)]

        assert claims == [[one.id], [other.id]]

    async def test_what_somebody_looks_for_does_not_come_along(
        self, store: Store, clock: ManualClock
    ) -> None:
        (held,) = await of_runs(store, "r")
        clock.advance(SECOND)
        await looks(store)
        (new,) = await of_runs(store, "r")
        clock.advance(SECOND)

        assert await looks(store) == [new]
        assert held != new

    async def test_what_was_seen_says_when_to_look_again(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)
        clock.advance(SECOND)
        await looks(store)

        await see(store, callback, poll_in=5 * SECOND)

        clock.advance(4 * SECOND)
        assert await looks(store) == []
        clock.advance(SECOND)
        assert await looks(store) == [callback.id]

    async def test_what_was_seen_comes_along_again(self, store: Store, clock: ManualClock) -> None:
        (seen,) = await of_runs(store, "r")
        clock.advance(SECOND)
        await looks(store)
        await see(store, await found(store, seen))
        (new,) = await of_runs(store, "r")
        clock.advance(SECOND)

        assert await looks(store) == [seen, new]

    async def test_a_later_attempt_is_looked_for_after_a_second_whoever_looks(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)
        clock.advance(SECOND)
        await looks(store)

        await store.open([factories.request(ref=callback.ref, attempt=2)])

        assert await looks(store) == []
        clock.advance(SECOND)
        assert await looks(store) == [callback.id]

    async def test_time_outs_are_kept_as_seen_and_move_the_default_answer(
        self, store: Store, clock: ManualClock
    ) -> None:
        (callback,) = await store.open([factories.request(on_deadline=Completed(b"0"))])
        waits = pending(callback, attempt_timeout_at=clock.now() + MINUTE, heartbeat_timeout=SECOND)

        seen = await see(store, callback, waits)
        until_default = await store.next_default()
        suspended = await see(store, callback)

        assert (seen.attempt_timeout_at, seen.heartbeat_state.timeout) == (
            clock.now() + MINUTE,
            SECOND,
        )
        assert until_default == timedelta(seconds=55)
        assert (suspended.attempt_timeout_at, suspended.heartbeat_state.timeout) == (None, None)
        assert await store.next_default() is None
        assert await kinds(store, callback.id) == [EventKind.OPENED]

    async def test_a_request_to_cancel_is_dated_and_told_once(
        self, store: Store, clock: ManualClock
    ) -> None:
        (callback,) = await store.open([factories.request(cancel_within=MINUTE)])
        waits = pending(callback, cancel_requested=True)

        first = await see(store, callback, waits)
        clock.advance(SECOND)
        again = await see(store, callback, waits)

        asked_at = clock.now() - SECOND
        assert first.cancel_requested_at == asked_at == again.cancel_requested_at
        (event,) = await events_of(store, callback.id, EventKind.CANCEL_REQUESTED)
        assert (event.at, event.facts) == (asked_at, {"until": format_instant(asked_at + MINUTE)})

    async def test_what_is_asked_to_cancel_is_canceled_when_its_time_is_over(
        self, store: Store, clock: ManualClock
    ) -> None:
        (callback,) = await store.open([factories.request(cancel_within=MINUTE)])
        await see(store, callback, pending(callback, cancel_requested=True))
        until_due = await store.next_default()
        clock.advance(MINUTE)

        taken = await store.accept_defaults([callback.id], factories.outcome_id)

        canceled = (await found(store, callback.id)).accepted
        assert (until_due, taken) == (MINUTE, [callback.id])
        assert canceled is not None
        assert canceled.outcome == Canceled(None)

    async def test_a_pause_and_its_end_are_told_once_each(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)

        paused = await see(store, callback, pending(callback, paused=True))
        clock.advance(SECOND)
        still = await see(store, callback, pending(callback, paused=True))
        runs = [await see(store, callback), await see(store, callback)][-1]

        assert paused.paused_at == clock.now() - SECOND == still.paused_at
        assert runs.paused_at is None
        told = [EventKind.OPENED, EventKind.PAUSED, EventKind.UNPAUSED]
        assert await kinds(store, callback.id) == told

    async def test_a_reset_of_the_attempt_that_asked_is_told_once_and_its_number_left(
        self, store: Store
    ) -> None:
        (callback,) = await store.open([factories.request(attempt=3)])

        first = await see(store, callback, pending(callback, attempt=1))
        await see(store, callback, pending(callback, attempt=1))

        assert first.attempt == 3
        assert await kinds(store, callback.id) == [EventKind.OPENED, EventKind.RESET]

    async def test_a_later_attempt_can_be_reset_too(self, store: Store) -> None:
        (callback,) = await store.open([factories.request(attempt=2)])
        await see(store, callback, pending(callback, attempt=1))
        (later,) = await store.open([factories.request(ref=callback.ref, attempt=3)])

        await see(store, later, pending(later, attempt=1))

        assert len(await events_of(store, callback.id, EventKind.RESET)) == 2

    @pytest.mark.parametrize("runs", ["back-off", "another attempt", "a later number"])
    async def test_no_other_attempt_is_one_that_was_reset(self, store: Store, runs: str) -> None:
        (callback,) = await store.open([factories.request(attempt=2)])
        waits = {
            "back-off": pending(callback, attempt=1, is_started=False),
            "another attempt": pending(callback, attempt=1, started_at=factories.NOW + MINUTE),
            "a later number": pending(callback, attempt=3),
        }

        await see(store, callback, waits[runs])

        assert await events_of(store, callback.id, EventKind.RESET) == []

    async def test_what_was_seen_before_a_later_attempt_asked_is_void(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)
        (later,) = await store.open([factories.request(ref=callback.ref, attempt=2)])
        waits = pending(
            callback, paused=True, cancel_requested=True, attempt_timeout_at=clock.now()
        )

        assert await see(store, callback, waits) == later
        clock.advance(SECOND)
        assert await looks(store) == [callback.id]

    @pytest.mark.parametrize("state", [one for one in State if one is not State.OPEN])
    async def test_what_is_not_open_is_seen_no_more(
        self, store: Store, clock: ManualClock, state: State
    ) -> None:
        callback = await in_state(store, state)
        waits = pending(
            callback, paused=True, cancel_requested=True, attempt_timeout_at=clock.now()
        )

        assert await see(store, callback, waits) == callback
