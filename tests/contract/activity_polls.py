"""The contract of every store for polls of activities."""

from datetime import timedelta

import pytest

from ringback.domain.audit import AuditKind
from ringback.domain.callback import State
from ringback.domain.durations import format_instant
from ringback.domain.outcome import Canceled, Completed
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import (
    LEASE,
    SECOND,
    Store,
    accepted,
    accepted_callbacks,
    entries_of,
    found,
    in_state,
    kinds,
    opened,
)
from tests.contract.tracked import MINUTE, claim_polls, open_in_runs, pending, save_poll


class ActivityPollsContract:
    async def test_new_callback_is_first_polled_after_a_second(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)
        too_early = await claim_polls(store)
        clock.advance(SECOND)

        due = await store.claim_polls(limit=1, lease=LEASE)

        assert too_early == []
        assert list(due.callbacks) == [callback]

    async def test_claimed_poll_is_not_claimed_again_during_its_lease(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)
        clock.advance(SECOND)

        first = await claim_polls(store)
        clock.advance(LEASE - SECOND)
        nothing = await claim_polls(store)
        clock.advance(SECOND)

        assert first == [callback.id]
        assert nothing == []
        assert await claim_polls(store) == [callback.id]

    async def test_released_poll_is_due_again_after_the_wait(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback, kept = [await opened(store) for _ in range(2)]
        clock.advance(SECOND)
        await claim_polls(store)

        await store.release_polls([callback.id], SECOND)
        too_early = await claim_polls(store)
        clock.advance(SECOND)
        again = await claim_polls(store)
        clock.advance(LEASE)

        assert (too_early, again) == ([], [callback.id])
        assert set(await claim_polls(store)) == {callback.id, kept.id}

    async def test_release_of_a_poll_that_nobody_claimed_changes_nothing(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)

        await store.release_polls([callback.id, factories.callback_id()], MINUTE)
        await store.release_polls([], MINUTE)
        clock.advance(SECOND)

        assert await claim_polls(store) == [callback.id]

    async def test_only_open_callbacks_are_polled(self, store: Store, clock: ManualClock) -> None:
        callbacks = [await in_state(store, state) for state in State]
        clock.advance(MINUTE)

        due = await claim_polls(store)

        assert due == [callback.id for callback in callbacks if callback.state is State.OPEN]

    async def test_claim_returns_longest_due_runs_up_to_limit(
        self, store: Store, clock: ManualClock
    ) -> None:
        (third,), (first,) = [await open_in_runs(store, run_id) for run_id in ("z", "y")]
        await save_poll(store, await found(store, third), poll_in=3 * SECOND)
        clock.advance(SECOND)
        (second,) = await open_in_runs(store, "x")
        clock.advance(MINUTE)

        assert await claim_polls(store, limit=2) == [first, second]
        assert await claim_polls(store, limit=2) == [third]

    async def test_callbacks_of_one_run_are_claimed_together(
        self, store: Store, clock: ManualClock
    ) -> None:
        one, other, another = await open_in_runs(store, "r", "another", "r")
        clock.advance(SECOND)
        (new,) = await open_in_runs(store, "r")

        first = await claim_polls(store, limit=1)

        assert first == [one, another, new]
        assert await claim_polls(store, limit=1) == [other]

    async def test_claim_returns_limit_runs_however_many_callbacks_each_has(
        self, store: Store, clock: ManualClock
    ) -> None:
        *first, _ = await open_in_runs(store, "a", "a", "a", "b", "b", "a", "c")
        clock.advance(SECOND)

        claimed = await claim_polls(store, limit=2)

        assert claimed == [*first[:3], first[5], *first[3:5]]

    async def test_answered_callback_takes_no_place_in_a_claim(
        self, store: Store, clock: ManualClock
    ) -> None:
        await accepted(store)
        callback = await opened(store)
        clock.advance(SECOND)

        assert await claim_polls(store, limit=1) == [callback.id]

    async def test_open_callbacks_are_found_behind_many_answered_ones(
        self, store: Store, clock: ManualClock
    ) -> None:
        await accepted_callbacks(store, 50)
        callback = await opened(store)
        clock.advance(SECOND)

        claim = await store.claim_polls(limit=1, lease=LEASE)

        assert [one.id for one in claim.callbacks] == [callback.id]

    async def test_same_run_id_in_other_workflow_or_namespace_is_another_run(
        self, store: Store, clock: ManualClock
    ) -> None:
        one, other = await store.open([
            factories.request(ref=factories.activity_ref(run_id="r")) for _ in range(2)
        ])
        clock.advance(SECOND)

        claims = [await claim_polls(store, limit=1) for _ in range(2)]

        assert claims == [[one.id], [other.id]]

    async def test_callback_claimed_elsewhere_is_not_claimed_with_its_run(
        self, store: Store, clock: ManualClock
    ) -> None:
        (held,) = await open_in_runs(store, "r")
        clock.advance(SECOND)
        await claim_polls(store)
        (new,) = await open_in_runs(store, "r")
        clock.advance(SECOND)

        assert await claim_polls(store) == [new]
        assert held != new

    async def test_poll_result_sets_next_poll(self, store: Store, clock: ManualClock) -> None:
        callback = await opened(store)
        clock.advance(SECOND)
        await claim_polls(store)

        await save_poll(store, callback, poll_in=5 * SECOND)

        clock.advance(4 * SECOND)
        assert await claim_polls(store) == []
        clock.advance(SECOND)
        assert await claim_polls(store) == [callback.id]

    async def test_polled_callback_is_claimed_with_its_run_again(
        self, store: Store, clock: ManualClock
    ) -> None:
        (seen,) = await open_in_runs(store, "r")
        clock.advance(SECOND)
        await claim_polls(store)
        await save_poll(store, await found(store, seen))
        (new,) = await open_in_runs(store, "r")
        clock.advance(SECOND)

        assert await claim_polls(store) == [seen, new]

    async def test_later_attempt_is_polled_after_a_second_despite_claim(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)
        clock.advance(SECOND)
        await claim_polls(store)

        await store.open([factories.request(ref=callback.ref, attempt=2)])

        assert await claim_polls(store) == []
        clock.advance(SECOND)
        assert await claim_polls(store) == [callback.id]

    async def test_polled_timeouts_are_stored_and_move_default(
        self, store: Store, clock: ManualClock
    ) -> None:
        (callback,) = await store.open([factories.request(on_deadline=Completed(b"0"))])
        waits = pending(callback, attempt_timeout_at=clock.now() + MINUTE, heartbeat_timeout=SECOND)

        seen = await save_poll(store, callback, waits)
        until_default = await store.next_default()
        suspended = await save_poll(store, callback)

        assert (seen.attempt_timeout_at, seen.heartbeat_state.timeout) == (
            clock.now() + MINUTE,
            SECOND,
        )
        assert until_default == timedelta(seconds=55)
        assert (suspended.attempt_timeout_at, suspended.heartbeat_state.timeout) == (None, None)
        assert await store.next_default() is None
        assert await kinds(store, callback.id) == [AuditKind.OPENED]

    async def test_cancel_request_is_recorded_once(self, store: Store, clock: ManualClock) -> None:
        (callback,) = await store.open([factories.request(cancel_within=MINUTE)])
        waits = pending(callback, cancel_requested=True)

        first = await save_poll(store, callback, waits)
        clock.advance(SECOND)
        again = await save_poll(store, callback, waits)

        asked_at = clock.now() - SECOND
        assert first.cancel_requested_at == asked_at == again.cancel_requested_at
        (entry,) = await entries_of(store, callback.id, AuditKind.CANCEL_REQUESTED)
        assert (entry.at, entry.facts) == (asked_at, {"until": format_instant(asked_at + MINUTE)})

    async def test_cancel_request_without_report_cancels_after_cancel_within(
        self, store: Store, clock: ManualClock
    ) -> None:
        (callback,) = await store.open([factories.request(cancel_within=MINUTE)])
        await save_poll(store, callback, pending(callback, cancel_requested=True))
        until_due = await store.next_default()
        clock.advance(MINUTE)

        taken = await store.accept_defaults([callback.id], factories.outcome_id)

        canceled = (await found(store, callback.id)).accepted
        assert (until_due, taken) == (MINUTE, [callback.id])
        assert canceled is not None
        assert canceled.outcome == Canceled(None)

    async def test_pause_and_unpause_are_recorded_once_each(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)

        paused = await save_poll(store, callback, pending(callback, paused=True))
        clock.advance(SECOND)
        still = await save_poll(store, callback, pending(callback, paused=True))
        runs = [await save_poll(store, callback), await save_poll(store, callback)][-1]

        assert paused.paused_at == clock.now() - SECOND == still.paused_at
        assert runs.paused_at is None
        trail = [AuditKind.OPENED, AuditKind.PAUSED, AuditKind.UNPAUSED]
        assert await kinds(store, callback.id) == trail

    async def test_reset_is_recorded_once_and_keeps_attempt_number(self, store: Store) -> None:
        (callback,) = await store.open([factories.request(attempt=3)])

        first = await save_poll(store, callback, pending(callback, attempt=1))
        await save_poll(store, callback, pending(callback, attempt=1))

        assert first.attempt == 3
        assert await kinds(store, callback.id) == [AuditKind.OPENED, AuditKind.RESET]

    async def test_reset_of_later_attempt_is_recorded(self, store: Store) -> None:
        (callback,) = await store.open([factories.request(attempt=2)])
        await save_poll(store, callback, pending(callback, attempt=1))
        (later,) = await store.open([factories.request(ref=callback.ref, attempt=3)])

        await save_poll(store, later, pending(later, attempt=1))

        assert len(await entries_of(store, callback.id, AuditKind.RESET)) == 2

    @pytest.mark.parametrize("runs", ["back-off", "another attempt", "a later number"])
    async def test_other_attempts_are_not_taken_for_a_reset(self, store: Store, runs: str) -> None:
        (callback,) = await store.open([factories.request(attempt=2)])
        waits = {
            "back-off": pending(callback, attempt=1, is_started=False),
            "another attempt": pending(callback, attempt=1, started_at=factories.NOW + MINUTE),
            "a later number": pending(callback, attempt=3),
        }

        await save_poll(store, callback, waits[runs])

        assert await entries_of(store, callback.id, AuditKind.RESET) == []

    async def test_poll_result_of_earlier_attempt_is_ignored(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await opened(store)
        (later,) = await store.open([factories.request(ref=callback.ref, attempt=2)])
        waits = pending(
            callback, paused=True, cancel_requested=True, attempt_timeout_at=clock.now()
        )

        assert await save_poll(store, callback, waits) == later
        clock.advance(SECOND)
        assert await claim_polls(store) == [callback.id]

    @pytest.mark.parametrize("state", [one for one in State if one is not State.OPEN])
    async def test_poll_result_of_closed_callback_is_ignored(
        self, store: Store, clock: ManualClock, state: State
    ) -> None:
        callback = await in_state(store, state)
        waits = pending(
            callback, paused=True, cancel_requested=True, attempt_timeout_at=clock.now()
        )

        assert await save_poll(store, callback, waits) == callback
