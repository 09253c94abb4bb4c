"""What every store promises, as tests that each store's own module runs."""

from datetime import timedelta
from typing import Protocol

import pytest

from ringback.domain.callback import MOVES, VERDICTS, Callback, State
from ringback.domain.event import EventKind
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.ports.store import (
    EVIDENCE_BYTES,
    EVIDENCE_KEPT,
    CallbackIndex,
    CallbackStore,
    DeliveryQueue,
    NotTaken,
    Postponement,
    Settlement,
    Won,
)
from ringback.testing import ManualClock
from tests import factories

LEASE = timedelta(seconds=30)

OUTCOMES: list[Outcome] = [
    Completed(b'{"amount": 1}'),
    Completed(b"null"),
    Completed(None),
    Failed("card declined"),
    Failed(
        "card declined",
        type="Declined",
        non_retryable=True,
        details=b'[{"code": 5}, null]',
        next_retry_delay=timedelta(seconds=1.5),
    ),
    Canceled(b'"by the customer"'),
    Canceled(None),
]


class Store(CallbackStore, DeliveryQueue, CallbackIndex, Protocol):
    """A whole store."""


async def opened(store: Store) -> Callback:
    (callback,) = await store.open([factories.wish()])
    return callback


async def accepted(store: Store, outcome: Outcome | None = None) -> Callback:
    callback = await opened(store)
    await store.accept([factories.answer(callback.id, outcome)])
    return (await store.find([callback.id]))[callback.id]


async def settled(store: Store, verdict: State, outcome: Outcome | None = None) -> Callback:
    callback = await accepted(store, outcome)
    await store.settle([Settlement(callback.id, verdict, {"by": "a test"})])
    return (await store.find([callback.id]))[callback.id]


async def in_state(store: Store, state: State) -> Callback:
    if state is State.OPEN:
        return await opened(store)
    if state is State.ACCEPTED:
        return await accepted(store)
    if state is State.EXPIRED:
        callback = await opened(store)
        await store.expire({callback.id: "timed out"})
        return (await store.find([callback.id]))[callback.id]
    return await settled(store, state)


async def try_to_move(store: Store, callback: Callback, wanted: State) -> None:
    if wanted is State.ACCEPTED:
        await store.accept([factories.answer(callback.id)])
    if wanted is State.EXPIRED:
        await store.expire({callback.id: "over"})
    if wanted in VERDICTS:
        await store.settle([Settlement(callback.id, wanted, {})])


async def state_of(store: Store, callback_id: CallbackId) -> State:
    return (await store.find([callback_id]))[callback_id].state


async def kinds(store: Store, callback_id: CallbackId) -> list[EventKind]:
    return [event.kind for event in await store.events(callback_id)]


class StoreContract:
    """Every test here runs on every store; `store` and `clock` come from the store's module."""

    async def test_an_activity_has_one_callback_over_its_attempts(self, store: Store) -> None:
        ref = factories.activity_ref()
        deadline = factories.NOW + timedelta(minutes=5)

        (first,) = await store.open([factories.wish(ref=ref)])
        (again,) = await store.open([factories.wish(ref=ref, attempt=2, deadline_at=deadline)])

        assert again.id == first.id
        assert (again.attempt, again.deadline_at) == (2, deadline)
        assert await kinds(store, first.id) == [EventKind.OPENED, EventKind.ASKED_AGAIN]

    async def test_what_is_opened_is_found_as_it_was_wished(self, store: Store) -> None:
        wish = factories.wish(deadline_at=factories.NOW + timedelta(seconds=1.000001))

        (callback,) = await store.open([wish])

        assert callback == (await store.find([wish.id]))[wish.id]
        assert (callback.id, callback.ref, callback.round) == (wish.id, wish.ref, 1)
        assert (callback.verbs, callback.key_id) == (wish.verbs, wish.key_id)
        assert callback.deadline_at == wish.deadline_at
        assert callback.link_expires_at == wish.link_expires_at
        assert callback.state is State.OPEN

    async def test_activities_that_differ_in_one_part_have_their_own_callbacks(
        self, store: Store
    ) -> None:
        later = factories.NOW + timedelta(microseconds=1)
        refs = [
            factories.activity_ref(workflow_id="w"),
            factories.activity_ref(workflow_id="w", activity_id="2"),
            factories.activity_ref(workflow_id="w", scheduled_at=later),
            factories.activity_ref(workflow_id="v"),
        ]

        callbacks = await store.open([factories.wish(ref=ref) for ref in refs])

        assert len({callback.id for callback in callbacks}) == len(refs)

    async def test_one_call_that_opens_the_same_activity_twice_makes_one(
        self, store: Store
    ) -> None:
        ref = factories.activity_ref()

        one, other = await store.open([factories.wish(ref=ref), factories.wish(ref=ref)])

        assert one.id == other.id

    async def test_the_first_outcome_wins(self, store: Store) -> None:
        callback = await opened(store)
        first = factories.answer(callback.id, Completed(b"1"))
        second = factories.answer(callback.id, Completed(b"2"))

        (won,) = await store.accept([first])
        (lost,) = await store.accept([second])

        assert isinstance(won, Won)
        assert isinstance(lost, NotTaken)
        assert lost.callback is not None
        assert lost.callback.accepted is not None
        assert lost.callback.accepted.id == first.id
        assert lost.callback.accepted.outcome == Completed(b"1")

    async def test_the_first_outcome_wins_within_one_call(self, store: Store) -> None:
        callback, other = await opened(store), await opened(store)
        answers = [
            factories.answer(callback.id, Completed(b"1")),
            factories.answer(other.id, Completed(b"3")),
            factories.answer(callback.id, Completed(b"2")),
        ]

        results = await store.accept(answers)

        assert [isinstance(result, Won) for result in results] == [True, True, False]
        kept = (await store.find([callback.id]))[callback.id].accepted
        assert kept is not None
        assert kept.outcome == Completed(b"1")

    @pytest.mark.parametrize("outcome", OUTCOMES, ids=repr)
    async def test_an_outcome_is_kept_exactly(self, store: Store, outcome: Outcome) -> None:
        callback = await accepted(store, outcome)

        assert callback.accepted is not None
        assert callback.accepted.outcome == outcome

    async def test_an_answer_to_nothing_is_not_taken(self, store: Store) -> None:
        (result,) = await store.accept([factories.answer(factories.callback_id())])

        assert result == NotTaken(None)

    async def test_an_answer_to_an_expired_callback_is_not_taken(self, store: Store) -> None:
        callback = await in_state(store, State.EXPIRED)

        (result,) = await store.accept([factories.answer(callback.id)])

        assert result == NotTaken(callback)
        assert callback.expired_because == "timed out"
        assert await store.claim("me", limit=1, lease=LEASE) == []

    async def test_an_answered_callback_does_not_expire(self, store: Store) -> None:
        callback = await accepted(store)

        await store.expire({callback.id: "timed out"})

        assert (await store.find([callback.id]))[callback.id] == callback

    async def test_submitting_counts_once(self, store: Store, clock: ManualClock) -> None:
        callback = await opened(store)

        await store.mark_submitted([callback.id])
        at = clock.now()
        clock.advance(timedelta(seconds=1))
        await store.mark_submitted([callback.id])

        assert (await store.find([callback.id]))[callback.id].submitted_at == at
        assert (await kinds(store, callback.id)).count(EventKind.SUBMITTED) == 1

    async def test_evidence_is_kept_and_changes_nothing(self, store: Store) -> None:
        callback = await accepted(store)

        await store.keep_evidence([factories.answer(callback.id, Completed(b'"other"'))])

        assert (await store.find([callback.id]))[callback.id] == callback
        (evidence,) = [
            event
            for event in await store.events(callback.id)
            if event.kind is EventKind.ANSWERED_DIFFERENTLY
        ]
        assert evidence.facts["body"] == '"other"'

    async def test_evidence_is_bounded(self, store: Store) -> None:
        callback = await accepted(store)
        long = b'"' + b"x" * 2 * EVIDENCE_BYTES + b'"'

        for _ in range(EVIDENCE_KEPT + 5):
            await store.keep_evidence([factories.answer(callback.id, Completed(long))])

        evidence = [
            event
            for event in await store.events(callback.id)
            if event.kind is EventKind.ANSWERED_DIFFERENTLY
        ]
        assert len(evidence) == EVIDENCE_KEPT
        assert {len(str(event.facts["body"])) for event in evidence} == {EVIDENCE_BYTES}

    async def test_what_does_not_exist_is_left_alone(self, store: Store) -> None:
        nobody = factories.callback_id()

        await store.mark_submitted([nobody])
        await store.expire({nobody: "over"})
        await store.settle([Settlement(nobody, State.APPLIED, {})])
        await store.postpone([Postponement(nobody, LEASE, "why")])

        assert not await store.hand_over(nobody, worker="w", attempt=1, lease=LEASE)
        assert await store.find([nobody]) == {}
        assert await store.events(nobody) == []

    async def test_attempts_that_open_in_one_call_leave_the_latest(self, store: Store) -> None:
        ref = factories.activity_ref()

        await store.open([factories.wish(ref=ref), factories.wish(ref=ref, attempt=2)])

        (callback,) = await store.open([factories.wish(ref=ref)])
        assert callback.attempt == 2

    async def test_what_is_released_is_due_at_once_and_nothing_else(self, store: Store) -> None:
        mine, other = await accepted(store), await accepted(store)
        await store.claim("me", limit=1, lease=LEASE)
        await store.claim("other", limit=1, lease=LEASE)

        await store.release("me")

        (again,) = await store.claim("me", limit=10, lease=LEASE)
        assert again.id == mine.id
        assert await state_of(store, other.id) is State.ACCEPTED

    @pytest.mark.parametrize("state", list(State), ids=lambda state: state.value)
    async def test_a_callback_moves_only_as_the_table_says(
        self, store: Store, state: State
    ) -> None:
        moved: set[State] = set()
        for wanted in State:
            callback = await in_state(store, state)
            await try_to_move(store, callback, wanted)
            now = await state_of(store, callback.id)
            moved |= {now} - {state}

        # What parks goes on only by a hand-over or by command.
        assert moved == MOVES[state] - ({State.ACCEPTED} if state is State.PARKED else set())

    async def test_a_claim_is_alone_until_its_lease_is_over(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await accepted(store)

        (claimed,) = await store.claim("one", limit=10, lease=LEASE)
        nothing = await store.claim("two", limit=10, lease=LEASE)
        clock.advance(LEASE)
        (again,) = await store.claim("two", limit=10, lease=LEASE)

        assert claimed.id == again.id == callback.id
        assert nothing == []
        assert claimed.accepted is not None
        assert again.accepted is not None
        assert (claimed.accepted.tries, again.accepted.tries) == (1, 2)

    async def test_the_oldest_is_claimed_first_and_no_more_than_asked(
        self, store: Store, clock: ManualClock
    ) -> None:
        waiting = []
        for _ in range(3):
            waiting.append((await accepted(store)).id)
            clock.advance(timedelta(seconds=1))

        claimed = await store.claim("me", limit=2, lease=LEASE)

        assert [callback.id for callback in claimed] == waiting[:2]

    async def test_what_is_postponed_comes_back_in_its_time(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await accepted(store)
        await store.claim("me", limit=1, lease=LEASE)

        await store.postpone([Postponement(callback.id, timedelta(seconds=2), "no server")])

        assert await store.next_due() == timedelta(seconds=2)
        assert await store.claim("me", limit=1, lease=LEASE) == []
        clock.advance(timedelta(seconds=2))
        (again,) = await store.claim("me", limit=1, lease=LEASE)
        assert again.accepted is not None
        assert again.accepted.trouble == "no server"

    async def test_nothing_is_due_when_nothing_waits(self, store: Store) -> None:
        await opened(store)
        await settled(store, State.APPLIED)

        assert await store.next_due() is None
        assert await store.claim("me", limit=1, lease=LEASE) == []

    async def test_the_first_verdict_counts(self, store: Store) -> None:
        callback = await accepted(store)

        await store.settle([Settlement(callback.id, State.APPLIED, {"by": "us"})])
        await store.settle([Settlement(callback.id, State.SUPERSEDED, {"by": "them"})])

        found = (await store.find([callback.id]))[callback.id]
        assert found.state is State.APPLIED
        assert found.accepted is not None
        assert found.accepted.proof == {"by": "us"}
        assert EventKind.SUPERSEDED not in await kinds(store, callback.id)

    async def test_a_hand_over_keeps_deliverers_away_for_its_lease(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await accepted(store)

        given = await store.hand_over(callback.id, worker="w", attempt=2, lease=LEASE)

        assert given
        assert await store.claim("me", limit=1, lease=LEASE) == []
        clock.advance(LEASE)
        (claimed,) = await store.claim("me", limit=1, lease=LEASE)
        assert claimed.accepted is not None
        assert (claimed.accepted.handed_to, claimed.accepted.handed_attempt) == ("w", 2)

    async def test_nothing_is_handed_over_while_it_is_delivered(self, store: Store) -> None:
        callback = await accepted(store)
        await store.claim("me", limit=1, lease=LEASE)

        assert not await store.hand_over(callback.id, worker="w", attempt=2, lease=LEASE)

    async def test_what_an_attempt_took_and_did_not_end_with_the_next_one_takes(
        self, store: Store
    ) -> None:
        callback = await accepted(store)
        await store.hand_over(callback.id, worker="w", attempt=2, lease=LEASE)

        same = await store.hand_over(callback.id, worker="w", attempt=2, lease=LEASE)
        later = await store.hand_over(callback.id, worker="v", attempt=3, lease=LEASE)

        assert (same, later) == (False, True)

    async def test_what_was_postponed_can_be_handed_over(self, store: Store) -> None:
        callback = await accepted(store)
        await store.claim("me", limit=1, lease=LEASE)
        await store.postpone([Postponement(callback.id, timedelta(hours=1), "back-off")])

        assert await store.hand_over(callback.id, worker="w", attempt=2, lease=LEASE)

    async def test_what_is_parked_can_be_handed_over_and_waits_again(self, store: Store) -> None:
        callback = await settled(store, State.PARKED)

        assert await store.hand_over(callback.id, worker="w", attempt=2, lease=LEASE)
        assert await state_of(store, callback.id) is State.ACCEPTED

    async def test_nothing_is_handed_over_that_has_ended(self, store: Store) -> None:
        callback = await settled(store, State.APPLIED)

        assert not await store.hand_over(callback.id, worker="w", attempt=2, lease=LEASE)

    @pytest.mark.parametrize(
        ("outcome", "verdict", "asks"),
        [
            (Failed("declined"), State.APPLIED, True),
            (Completed(b"1"), State.APPLIED, False),
            (Failed("declined"), State.PARKED, False),
        ],
        ids=["an applied failure", "an applied result", "a parked failure"],
    )
    async def test_a_later_attempt_asks_anew_only_when_the_question_is_settled(
        self, store: Store, outcome: Outcome, verdict: State, *, asks: bool
    ) -> None:
        before = await settled(store, verdict, outcome)

        (after,) = await store.open([factories.wish(ref=before.ref, attempt=2)])

        assert (after.id != before.id) is asks
        assert after.round == (2 if asks else 1)

    async def test_pages_go_through_all_callbacks_of_some_states(self, store: Store) -> None:
        waiting = [(await opened(store)).id for _ in range(5)]
        over = await in_state(store, State.EXPIRED)
        applied = await settled(store, State.APPLIED)
        is_open = frozenset({State.OPEN})

        first = await store.page(states=is_open, after=None, limit=3)
        rest = await store.page(states=is_open, after=first[-1].id, limit=3)
        ended = await store.page(
            states=frozenset({State.EXPIRED, State.APPLIED}), after=None, limit=3
        )

        assert [callback.id for callback in [*first, *rest]] == waiting
        assert {callback.id for callback in ended} == {over.id, applied.id}

    async def test_a_parked_callback_is_listed_with_what_has_not_ended(self, store: Store) -> None:
        callback = await settled(store, State.PARKED)

        found = await store.page(states=frozenset({State.PARKED}), after=None, limit=3)

        assert [one.id for one in found] == [callback.id]
