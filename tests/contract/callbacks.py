"""What every store promises to those who ask."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ringback.domain.callback import State
from ringback.domain.event import EventKind
from ringback.domain.ids import schema_id
from ringback.domain.options import Attempts, HeartbeatBy
from ringback.domain.outcome import Completed, Failed, Outcome
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import (
    SECOND,
    Store,
    events_of,
    found,
    in_state,
    kinds,
    opened,
    settled,
    state_of,
)


class CallbacksContract:
    async def test_an_activity_has_one_callback_over_its_attempts(self, store: Store) -> None:
        ref = factories.activity_ref()

        (first,) = await store.open([factories.request(ref=ref)])
        (again,) = await store.open([factories.request(ref=ref, attempt=2)])

        assert again.id == first.id
        assert await kinds(store, first.id) == [EventKind.OPENED, EventKind.OPENED_AGAIN]

    async def test_what_a_later_attempt_asks_with_replaces_what_the_one_before_had(
        self, store: Store
    ) -> None:
        ref = factories.activity_ref()
        await store.open([factories.request(ref=ref, attempt_timeout_at=factories.NOW + SECOND)])
        later = factories.request(
            ref=ref, attempt=2, task_token=b"another", attempt_timeout_at=factories.NOW + 9 * SECOND
        )

        (again,) = await store.open([later])

        assert again == await found(store, again.id)
        assert (again.attempt, again.task_token) == (2, b"another")
        assert again.attempt_started_at == later.attempt_started_at
        assert again.attempt_timeout_at == later.attempt_timeout_at

    async def test_of_two_attempts_the_one_that_started_later_counts_whatever_its_number(
        self, store: Store
    ) -> None:
        ref = factories.activity_ref()
        started_at = factories.NOW + 10 * SECOND
        await store.open([factories.request(ref=ref, attempt=3)])

        (reset,) = await store.open([factories.request(ref=ref, attempt_started_at=started_at)])
        (stale,) = await store.open([factories.request(ref=ref, attempt=4, task_token=b"stale")])

        assert stale == reset
        assert (reset.attempt, reset.attempt_started_at) == (1, started_at)

    async def test_what_is_opened_is_found_as_it_was_wished(self, store: Store) -> None:
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
        assert (callback.id, callback.ref, callback.generation) == (request.id, request.ref, 1)
        assert (callback.verbs, callback.key_id) == (request.verbs, request.key_id)
        assert (callback.attempt, callback.task_token) == (request.attempt, request.task_token)
        assert callback.attempt_started_at == request.attempt_started_at
        assert callback.attempt_timeout_at == request.attempt_timeout_at
        assert (callback.own_deadline_at, callback.options) == (None, request.options)
        assert callback.schema_id == schema_id('{"type": "string"}')
        assert callback.link_expires_at == request.link_expires_at
        assert callback.state is State.OPEN

    async def test_activities_that_differ_in_one_part_have_their_own_callbacks(
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

    async def test_one_call_that_opens_the_same_activity_twice_makes_one(
        self, store: Store
    ) -> None:
        ref = factories.activity_ref()

        one, other = await store.open([factories.request(ref=ref), factories.request(ref=ref)])

        assert one.id == other.id

    async def test_attempts_that_open_in_one_call_leave_the_latest(self, store: Store) -> None:
        ref = factories.activity_ref()

        await store.open([factories.request(ref=ref), factories.request(ref=ref, attempt=2)])

        (callback,) = await store.open([factories.request(ref=ref)])
        assert callback.attempt == 2
        assert await kinds(store, callback.id) == [EventKind.OPENED, EventKind.OPENED_AGAIN]

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
    async def test_a_later_attempt_asks_anew_only_when_the_question_is_settled(
        self, store: Store, outcome: Outcome, verdict: State, *, asks: bool
    ) -> None:
        before = await settled(store, verdict, outcome)

        (after,) = await store.open([factories.request(ref=before.ref, attempt=2)])

        assert (after.id != before.id) is asks
        assert after.generation == (2 if asks else 1)

    async def test_where_each_attempt_asks_for_itself_the_open_callback_of_the_one_before_expires(
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
        (event,) = await events_of(store, first.id, EventKind.EXPIRED)
        assert event.facts == {"reason": "a later attempt opened a new callback"}

    async def test_where_each_attempt_asks_for_itself_one_that_asks_twice_has_one_callback(
        self, store: Store
    ) -> None:
        ref = factories.activity_ref()

        (first,) = await store.open([factories.request(ref=ref, attempts=Attempts.CURRENT)])
        (again,) = await store.open([factories.request(ref=ref, attempts=Attempts.CURRENT)])

        assert again == first

    async def test_attempts_that_ask_for_themselves_in_one_call_leave_one_open(
        self, store: Store
    ) -> None:
        ref = factories.activity_ref()

        first, second = await store.open([
            factories.request(ref=ref, attempt=attempt, attempts=Attempts.CURRENT)
            for attempt in (1, 2)
        ])

        assert await state_of(store, first.id) is State.EXPIRED
        assert await state_of(store, second.id) is State.OPEN
        assert await kinds(store, first.id) == [EventKind.OPENED, EventKind.EXPIRED]

    async def test_an_answer_to_an_earlier_attempt_stays_when_the_next_one_asks_for_itself(
        self, store: Store
    ) -> None:
        ref = factories.activity_ref()
        (first,) = await store.open([factories.request(ref=ref, attempts=Attempts.CURRENT)])
        await store.accept([factories.answer(first.id)])

        await store.open([factories.request(ref=ref, attempt=2, attempts=Attempts.CURRENT)])

        assert await state_of(store, first.id) is State.ACCEPTED

    async def test_a_callback_goes_on_in_the_run_that_a_reset_made_if_it_is_to(
        self, store: Store
    ) -> None:
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
        (event,) = await events_of(store, before.id, EventKind.OPENED_AGAIN)
        assert event.facts == {"attempt": 1, "run_id": "new"}

    async def test_a_callback_that_does_not_follow_a_reset_stays_in_its_run(
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

    async def test_a_schema_is_found_by_its_id(self, store: Store) -> None:
        texts = ['{"type": "string"}', '{"type": "null"}']
        requests = [factories.request(result_schema=text) for text in [*texts, texts[0]]]

        callbacks = await store.open(requests)
        await store.open([factories.request(result_schema=texts[0])])

        ids = [callback.schema_id or "" for callback in callbacks]
        assert await store.schemas([*ids, "sc_unknown"]) == {
            schema_id(text): text for text in texts
        }
        assert await store.schemas([]) == {}

    async def test_submitting_counts_once(self, store: Store, clock: ManualClock) -> None:
        callback = await opened(store)

        await store.mark_submitted([callback.id])
        at = clock.now()
        clock.advance(SECOND)
        await store.mark_submitted([callback.id])

        assert (await found(store, callback.id)).submitted_at == at
        assert (await kinds(store, callback.id)).count(EventKind.SUBMITTED) == 1

    async def test_what_has_expired_is_asked_anew(self, store: Store) -> None:
        before = await in_state(store, State.EXPIRED)

        (after,) = await store.open([factories.request(ref=before.ref)])

        assert (after.generation, after.state) == (2, State.OPEN)
