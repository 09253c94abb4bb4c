"""The contract of every store for opening callbacks."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ringback.domain.audit import AuditKind
from ringback.domain.callback import State
from ringback.domain.ids import schema_id
from ringback.domain.options import Attempts, HeartbeatBy
from ringback.domain.outcome import Completed, Failed, Outcome
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import (
    SECOND,
    Store,
    entries_of,
    found,
    in_state,
    kinds,
    opened,
    settled,
    state_of,
)


class CallbacksContract:
    async def test_all_attempts_share_one_callback(self, store: Store) -> None:
        ref = factories.activity_ref()

        (first,) = await store.open([factories.request(ref=ref)])
        (again,) = await store.open([factories.request(ref=ref, attempt=2)])

        assert again.id == first.id
        assert await kinds(store, first.id) == [AuditKind.OPENED, AuditKind.OPENED_AGAIN]

    async def test_later_attempt_replaces_facts_of_earlier_one(self, store: Store) -> None:
        ref = factories.activity_ref()
        await store.open([factories.request(ref=ref, attempt_timeout_at=factories.NOW + SECOND)])
        later = factories.request(
            ref=ref, attempt=2, task_token=b"another", attempt_timeout_at=factories.NOW + 9 * SECOND
        )

        (again,) = await store.open([later])

        assert again == await found(store, again.id)
        assert (again.attempt, again.task_token) == (2, b"another")
        assert again.attempt_started_at == later.attempt.started_at
        assert again.attempt_timeout_at == later.attempt.timeout_at

    async def test_attempt_that_started_later_counts_whatever_its_number(
        self, store: Store
    ) -> None:
        ref = factories.activity_ref()
        started_at = factories.NOW + 10 * SECOND
        await store.open([factories.request(ref=ref, attempt=3)])

        (reset,) = await store.open([factories.request(ref=ref, attempt_started_at=started_at)])
        (stale,) = await store.open([factories.request(ref=ref, attempt=4, task_token=b"stale")])

        assert stale == reset
        assert (reset.attempt, reset.attempt_started_at) == (1, started_at)

    async def test_opened_callback_has_all_requested_values(self, store: Store) -> None:
        request = factories.request(
            attempt_timeout_at=factories.NOW + timedelta(seconds=1.000001),
            on_deadline=Failed("too late", type="Late", details=b'["x"]'),
            attempts=Attempts.CURRENT,
            follow_reset=True,
            heartbeat=HeartbeatBy.GATEWAY,
            cancel_within=timedelta(minutes=5),
            cancel_url="https://outside.example/cancel",
            notify_url="https://outside.example/notify",
            title="Charge",
            tags=("vip", "eu"),
            metadata={"order": [1, {"of": None}]},
            result_schema='{"type": "string"}',
        )

        (callback,) = await store.open([request])

        assert callback == await found(store, request.id)
        assert (callback.id, callback.ref, callback.generation) == (
            request.id,
            request.attempt.ref,
            1,
        )
        assert (callback.verbs, callback.key_id) == (request.verbs, request.key_id)
        assert (callback.attempt, callback.task_token) == (
            request.attempt.number,
            request.attempt.task_token,
        )
        assert callback.attempt_started_at == request.attempt.started_at
        assert callback.attempt_timeout_at == request.attempt.timeout_at
        assert (callback.own_deadline_at, callback.options) == (None, request.options)
        assert callback.schema_id == schema_id('{"type": "string"}')
        assert callback.link_expires_at == request.link_expires_at
        assert callback.state is State.OPEN

    async def test_activities_that_differ_in_one_field_have_own_callbacks(
        self, store: Store
    ) -> None:
        ref = factories.activity_ref(workflow_id="w")
        refs = [
            ref,
            replace(ref, activity_id="2"),
            replace(ref, scheduled_at=factories.NOW + timedelta(microseconds=1)),
            replace(ref, run_id="another"),
            replace(ref, workflow_id="v"),
            replace(ref, namespace="another"),
        ]

        callbacks = await store.open([factories.request(ref=ref) for ref in refs])

        assert len({callback.id for callback in callbacks}) == len(refs)

    async def test_opening_same_activity_twice_in_one_call_creates_one_callback(
        self, store: Store
    ) -> None:
        ref = factories.activity_ref()

        one, other = await store.open([factories.request(ref=ref), factories.request(ref=ref)])

        assert one.id == other.id

    async def test_two_attempts_in_one_call_leave_the_later_one(self, store: Store) -> None:
        ref = factories.activity_ref()

        await store.open([factories.request(ref=ref), factories.request(ref=ref, attempt=2)])

        (callback,) = await store.open([factories.request(ref=ref)])
        assert callback.attempt == 2
        assert await kinds(store, callback.id) == [AuditKind.OPENED, AuditKind.OPENED_AGAIN]

    @pytest.mark.parametrize(
        ("outcome", "verdict", "asks"),
        [
            (Failed("declined"), State.APPLIED, True),
            (Completed(b"1"), State.APPLIED, False),
            (Failed("busy"), State.PARKED, True),
            (Failed("declined", non_retryable=True), State.PARKED, False),
            (Completed(b"1"), State.PARKED, False),
        ],
        ids=[
            "an applied failure",
            "an applied result",
            "a parked failure to be retried",
            "a parked final failure",
            "a parked result",
        ],
    )
    async def test_later_attempt_gets_new_callback_only_after_delivery_or_expiry(
        self, store: Store, outcome: Outcome, verdict: State, *, asks: bool
    ) -> None:
        before = await settled(store, verdict, outcome)

        (after,) = await store.open([factories.request(ref=before.ref, attempt=2)])

        assert (after.id != before.id) is asks
        assert after.generation == (2 if asks else 1)

    async def test_with_attempts_current_next_attempt_expires_open_callback(
        self, store: Store, clock: ManualClock
    ) -> None:
        ref = factories.activity_ref()
        (first,) = await store.open([factories.request(ref=ref, attempts=Attempts.CURRENT)])
        clock.advance(SECOND)

        (second,) = await store.open([
            factories.request(ref=ref, attempt=2, attempts=Attempts.CURRENT)
        ])

        over = await found(store, first.id)
        assert (second.generation, second.state) == (2, State.OPEN)
        assert second.id != first.id
        assert (over.state, over.expired_at) == (State.EXPIRED, clock.now())
        assert over.expired_because == "a later attempt opened a new callback"
        (entry,) = await entries_of(store, first.id, AuditKind.EXPIRED)
        assert entry.facts == {"reason": "a later attempt opened a new callback"}

    async def test_with_attempts_current_same_attempt_keeps_its_callback(
        self, store: Store
    ) -> None:
        ref = factories.activity_ref()

        (first,) = await store.open([factories.request(ref=ref, attempts=Attempts.CURRENT)])
        (again,) = await store.open([factories.request(ref=ref, attempts=Attempts.CURRENT)])

        assert again == first

    async def test_with_attempts_current_one_call_leaves_one_open(self, store: Store) -> None:
        ref = factories.activity_ref()

        first, second = await store.open([
            factories.request(ref=ref, attempt=attempt, attempts=Attempts.CURRENT)
            for attempt in (1, 2)
        ])

        assert await state_of(store, first.id) is State.EXPIRED
        assert await state_of(store, second.id) is State.OPEN
        assert await kinds(store, first.id) == [AuditKind.OPENED, AuditKind.EXPIRED]

    async def test_with_attempts_current_answer_to_earlier_attempt_stays(
        self, store: Store
    ) -> None:
        ref = factories.activity_ref()
        (first,) = await store.open([factories.request(ref=ref, attempts=Attempts.CURRENT)])
        await store.accept([factories.answer(first.id)])

        await store.open([factories.request(ref=ref, attempt=2, attempts=Attempts.CURRENT)])

        assert await state_of(store, first.id) is State.ACCEPTED

    async def test_callback_that_follows_resets_moves_to_new_run(self, store: Store) -> None:
        ref = factories.activity_ref(run_id="old")
        moved = replace(ref, run_id="new")
        (before,) = await store.open([factories.request(ref=ref, follow_reset=True)])

        (after,) = await store.open([
            factories.request(
                ref=moved, attempt_started_at=factories.NOW + SECOND, follow_reset=True
            )
        ])

        assert after.id == before.id
        assert after.ref == moved
        assert (await found(store, before.id)).ref == moved
        (entry,) = await entries_of(store, before.id, AuditKind.OPENED_AGAIN)
        assert entry.facts == {"attempt": 1, "run_id": "new"}

    async def test_callback_that_does_not_follow_resets_stays_in_its_run(
        self, store: Store
    ) -> None:
        ref = factories.activity_ref(run_id="old")
        (before,) = await store.open([factories.request(ref=ref)])

        (after,) = await store.open([
            factories.request(
                ref=replace(ref, run_id="new"), attempt_started_at=factories.NOW + SECOND
            )
        ])

        assert after.id != before.id
        assert (await found(store, before.id)).ref == ref

    async def test_second_submit_is_not_recorded(self, store: Store, clock: ManualClock) -> None:
        callback = await opened(store)
        nobody = factories.callback_id()

        first = await store.mark_submitted([callback.id])
        at = clock.now()
        clock.advance(SECOND)
        second = await store.mark_submitted([nobody, callback.id])

        assert (first, second) == ([True], [False, True])
        assert (await found(store, callback.id)).submitted_at == at
        assert (await kinds(store, callback.id)).count(AuditKind.SUBMITTED) == 1

    async def test_expired_callback_is_replaced_by_new_one(self, store: Store) -> None:
        before = await in_state(store, State.EXPIRED)

        (after,) = await store.open([factories.request(ref=before.ref)])

        assert (after.generation, after.state) == (2, State.OPEN)
