"""The contract of every store for deadlines and default answers."""

from datetime import timedelta

import pytest

from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.durations import format_instant
from ringback.domain.outcome import Completed, Failed
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import (
    LEASE,
    SECOND,
    Store,
    entries_of,
    found,
    outcome_of,
    state_of,
)

LATE = Completed(b'"nobody answered"')
MINUTE = timedelta(minutes=1)


async def open_with_deadline(store: Store, *, within: timedelta | None = MINUTE) -> Callback:
    (callback,) = await store.open([factories.request(deadline=within, on_deadline=LATE)])
    return callback


class DeadlinesContract:
    async def test_deadline_counts_from_first_opening(
        self, store: Store, clock: ManualClock
    ) -> None:
        ref = factories.activity_ref()
        own_deadline_at = clock.now() + MINUTE
        (first,) = await store.open([factories.request(ref=ref, deadline=MINUTE)])
        clock.advance(SECOND)

        (again,) = await store.open([factories.request(ref=ref, attempt=2, deadline=MINUTE)])

        assert (first.own_deadline_at, again.own_deadline_at) == (own_deadline_at, own_deadline_at)

    async def test_default_answer_is_accepted_when_due(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_with_deadline(store)
        too_early = await store.accept_defaults([callback.id], factories.outcome_id)
        assert await store.due_defaults(limit=10) == []
        assert await store.next_default() == MINUTE
        clock.advance(MINUTE)

        (due,) = await store.due_defaults(limit=10)
        taken = await store.accept_defaults([due.id], factories.outcome_id)

        assert too_early == []
        assert (due, taken) == (callback, [callback.id])
        assert await store.due_defaults(limit=10) == []
        assert await store.next_default() is None

    async def test_default_answer_is_stored_like_a_given_one(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_with_deadline(store)
        clock.advance(MINUTE)

        await store.accept_defaults([callback.id], factories.outcome_id)

        answered = await found(store, callback.id)
        kept = outcome_of(answered)
        assert answered.state is State.ACCEPTED
        assert (kept.outcome, kept.is_default, kept.accepted_at) == (LATE, True, clock.now())
        (entry,) = await entries_of(store, callback.id, AuditKind.ACCEPTED)
        assert entry.facts == {"kind": "completed", "outcome": kept.id, "by": "deadline"}
        (late,) = await store.accept([factories.answer(callback.id)])
        assert late is None
        assert await found(store, callback.id) == answered
        (claimed,) = await store.claim("me", limit=1, lease=LEASE)
        assert outcome_of(claimed).outcome == LATE

    async def test_answered_callback_gets_no_default_answer(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_with_deadline(store)
        await store.accept([factories.answer(callback.id, Completed(b"1"))])
        clock.advance(MINUTE)

        assert await store.due_defaults(limit=10) == []
        assert await store.next_default() is None
        assert await store.accept_defaults([callback.id], factories.outcome_id) == []
        assert outcome_of(await found(store, callback.id)).outcome == Completed(b"1")

    async def test_expired_callback_gets_no_default_answer(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_with_deadline(store)
        await store.expire([factories.expiry(callback, "over")])
        clock.advance(MINUTE)

        assert await store.due_defaults(limit=10) == []
        assert await store.next_default() is None
        assert await store.accept_defaults([callback.id], factories.outcome_id) == []
        assert await state_of(store, callback.id) is State.EXPIRED

    async def test_own_deadline_without_default_fails_activity(
        self, store: Store, clock: ManualClock
    ) -> None:
        (callback,) = await store.open([factories.request(deadline=MINUTE)])
        clock.advance(MINUTE)

        await store.accept_defaults([callback.id], factories.outcome_id)

        taken = outcome_of(await found(store, callback.id))
        assert (taken.is_default, taken.outcome) == (True, callback.default_answer)

    async def test_timeout_of_temporal_alone_has_no_default(
        self, store: Store, clock: ManualClock
    ) -> None:
        (callback,) = await store.open([factories.request(attempt_timeout_at=clock.now() + MINUTE)])
        clock.advance(MINUTE)

        assert await store.due_defaults(limit=10) == []
        assert await store.accept_defaults([callback.id], factories.outcome_id) == []
        assert await state_of(store, callback.id) is State.OPEN

    async def test_default_failure_is_stored_exactly(
        self, store: Store, clock: ManualClock
    ) -> None:
        late = Failed("late", type="Late", non_retryable=True, details=b"[1]")
        (callback,) = await store.open([factories.request(deadline=MINUTE, on_deadline=late)])
        clock.advance(MINUTE)

        await store.accept_defaults([callback.id], factories.outcome_id)

        assert callback.options.on_deadline == late
        assert outcome_of(await found(store, callback.id)).outcome == late

    async def test_longest_overdue_defaults_are_returned_up_to_limit(
        self, store: Store, clock: ManualClock
    ) -> None:
        waiting = [(await open_with_deadline(store, within=left * SECOND)).id for left in (3, 1, 2)]
        clock.advance(MINUTE)

        due = await store.due_defaults(limit=2)

        assert [callback.id for callback in due] == [waiting[1], waiting[2]]

    async def test_default_answer_is_due_before_temporal_timeout(
        self, store: Store, clock: ManualClock
    ) -> None:
        (callback,) = await store.open([
            factories.request(attempt_timeout_at=clock.now() + MINUTE, on_deadline=LATE)
        ])

        assert await store.next_default() == timedelta(seconds=55)
        assert callback.default_due_at == clock.now() + timedelta(seconds=55)

    async def test_later_attempt_moves_default_with_its_timeout(
        self, store: Store, clock: ManualClock
    ) -> None:
        ref = factories.activity_ref()
        first, later = (clock.now() + minutes * MINUTE for minutes in (1, 2))
        await store.open([factories.request(ref=ref, attempt_timeout_at=first, on_deadline=LATE)])

        await store.open([factories.request(ref=ref, attempt=2, attempt_timeout_at=later)])

        assert await store.next_default() == timedelta(seconds=115)

    async def test_extension_counts_from_now(self, store: Store, clock: ManualClock) -> None:
        callback = await open_with_deadline(store)
        clock.advance(SECOND)
        until = clock.now() + 5 * MINUTE

        extension = await store.extend(callback.id, 5 * MINUTE, by="k1")

        assert extension.was_extended
        assert extension.callback == await found(store, callback.id)
        assert extension.callback.own_deadline_at == until
        assert await store.next_default() == 5 * MINUTE
        (entry,) = await entries_of(store, callback.id, AuditKind.EXTENDED)
        assert entry.facts == {"until": format_instant(until), "by": "k1"}

    async def test_extended_callback_gets_no_default_answer_yet(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_with_deadline(store)
        clock.advance(MINUTE)
        await store.extend(callback.id, SECOND)

        assert await store.accept_defaults([callback.id], factories.outcome_id) == []
        assert await state_of(store, callback.id) is State.OPEN

    @pytest.mark.parametrize("ending", ["answered", "expired", "without a deadline"])
    async def test_only_open_callback_with_deadline_is_extended(
        self, store: Store, ending: str
    ) -> None:
        callback = await open_with_deadline(
            store, within=None if ending == "without a deadline" else MINUTE
        )
        if ending == "answered":
            await store.accept([factories.answer(callback.id)])
        if ending == "expired":
            await store.expire([factories.expiry(callback, "over")])
        before = await found(store, callback.id)

        extension = await store.extend(callback.id, MINUTE)

        assert not extension.was_extended
        assert extension.callback == before == await found(store, callback.id)
        assert await entries_of(store, callback.id, AuditKind.EXTENDED) == []

    async def test_open_callbacks_after_deadline_are_overdue_longest_first(
        self, store: Store, clock: ManualClock
    ) -> None:
        requests = [
            factories.request(deadline=3 * SECOND),
            factories.request(deadline=MINUTE, attempt_timeout_at=clock.now() + SECOND),
            factories.request(attempt_timeout_at=clock.now() + 2 * SECOND),
            factories.request(attempt_timeout_at=clock.now() + MINUTE),
            factories.request(),
            factories.request(deadline=SECOND),
            factories.request(deadline=SECOND),
        ]
        callbacks = await store.open(requests)
        await store.accept([factories.answer(callbacks[-1].id)])
        await store.expire([factories.expiry(callbacks[-2], "over")])
        nothing = await store.overdue(limit=10)
        clock.advance(3 * SECOND)

        over = await store.overdue(limit=10)

        assert nothing == []
        assert [callback.id for callback in over] == [callbacks[one].id for one in (1, 2, 0)]
        assert await store.overdue(limit=1) == over[:1]

    async def test_are_overdue_returns_only_overdue_ids(
        self, store: Store, clock: ManualClock
    ) -> None:
        over, in_time, without = await store.open([
            factories.request(attempt_timeout_at=clock.now() + SECOND),
            factories.request(deadline=MINUTE),
            factories.request(),
        ])
        clock.advance(SECOND)

        ids = [over.id, in_time.id, without.id, factories.callback_id()]

        assert await store.are_overdue(ids) == {over.id}
        assert await store.are_overdue([]) == frozenset()
