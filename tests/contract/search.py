"""The contract of every store for lists and audit trails."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.ids import CallbackId
from ringback.domain.liveness import ReceivedHeartbeat
from ringback.domain.outcome import Completed, Outcome
from ringback.ports.store import NOT_ENDED, CallbackQuery
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import LEASE, OUTCOMES, SECOND, Store, found, in_state, opened, settled


def without_bodies(callback: Callback) -> Callback:
    """Return `callback` as a list shows it."""
    accepted = callback.accepted
    return replace(
        callback,
        task_token=None,
        options=replace(callback.options, on_deadline=Completed(None)),
        heartbeat_state=replace(callback.heartbeat_state, details=None),
        accepted=accepted and replace(accepted, outcome=_bare(accepted.outcome)),
    )


def _bare(outcome: Outcome) -> Outcome:
    if isinstance(outcome, Completed):
        return replace(outcome, result=None)
    return replace(outcome, details=None)


class WriteCheckContract:
    async def test_check_write_passes_and_changes_nothing(self, store: Store) -> None:
        callback = await opened(store)

        for _ in range(3):
            await store.check_write()

        assert await found(store, callback.id) == callback


class NoChangeFeedContract:
    async def test_store_of_one_machine_sends_no_notifications(self, store: Store) -> None:
        received: list[object] = []

        await store.subscribe(on_accepted=lambda: received.append(None), on_settled=received.append)
        await settled(store, State.APPLIED)

        assert received == []


class SearchContract:
    async def test_pages_contain_all_callbacks_of_given_states(self, store: Store) -> None:
        waiting = [(await opened(store)).id for _ in range(5)]
        over = await in_state(store, State.EXPIRED)
        applied = await settled(store, State.APPLIED)
        is_open = frozenset({State.OPEN})

        first = await store.page(CallbackQuery(states=is_open), after=None, limit=3)
        rest = await store.page(CallbackQuery(states=is_open), after=first[-1].id, limit=3)
        ended = await store.page(
            CallbackQuery(states=frozenset({State.EXPIRED, State.APPLIED})), after=None, limit=3
        )

        assert [callback.id for callback in [*first, *rest]] == waiting
        assert {callback.id for callback in ended} == {over.id, applied.id}

    async def test_parked_callback_is_listed_as_not_ended(self, store: Store) -> None:
        callback = await settled(store, State.PARKED)

        found = await store.page(
            CallbackQuery(states=frozenset({State.PARKED})), after=None, limit=3
        )

        assert [one.id for one in found] == [callback.id]

    @pytest.mark.parametrize(
        "query",
        [
            CallbackQuery(workflow_id="wanted"),
            CallbackQuery(workflow_type="wanted"),
            CallbackQuery(activity_type="wanted"),
            CallbackQuery(tag="wanted"),
        ],
    )
    async def test_page_contains_only_matching_callbacks(
        self, store: Store, query: CallbackQuery
    ) -> None:
        ref = factories.activity_ref(workflow_id="wanted")
        request = factories.request(ref=ref, tags=("vip", "wanted"))
        request = factories.request_of(request, workflow_type="wanted", activity_type="wanted")
        await store.open([factories.request(tags=("vip",))])
        (wanted,) = await store.open([request])
        await store.open([factories.request(tags=("another",))])

        found = await store.page(query, after=None, limit=9)

        assert [one.id for one in found] == [wanted.id]

    async def test_callback_must_meet_all_conditions(self, store: Store) -> None:
        tagged = factories.request(tags=("vip", "eu"))
        (callback,) = await store.open([tagged])
        query = CallbackQuery(tag="vip", workflow_id=callback.ref.workflow_id)

        both = await store.page(query, after=None, limit=9)
        one = await store.page(replace(query, workflow_id="another"), after=None, limit=9)

        assert [found.options.tags for found in both] == [("vip", "eu")]
        assert one == []

    @pytest.mark.parametrize("state", list(State))
    async def test_every_state_can_be_queried_alone_and_with_tag(
        self, store: Store, state: State
    ) -> None:
        callbacks = [await in_state(store, one) for one in State]
        (tagged,) = await store.open([factories.request(tags=("vip",))])
        states = frozenset({state})

        alone = await store.page(CallbackQuery(states=states), after=None, limit=9)
        with_tag = await store.page(CallbackQuery(states=states, tag="vip"), after=None, limit=9)

        expected = [one.id for one in callbacks if one.state is state]
        expected += [tagged.id] if state is State.OPEN else []
        assert [one.id for one in alone] == expected
        expected = [tagged.id] if state is State.OPEN else []
        assert [one.id for one in with_tag] == expected

    @pytest.mark.parametrize("states", [frozenset(State), NOT_ENDED, frozenset(State) - NOT_ENDED])
    async def test_several_states_are_one_list_ordered_by_id(
        self, store: Store, states: frozenset[State]
    ) -> None:
        callbacks = [await in_state(store, state) for state in [*State, *reversed(State)]]
        wanted = [one.id for one in callbacks if one.state in states]

        first = await store.page(CallbackQuery(states=states), after=None, limit=3)
        rest = await store.page(CallbackQuery(states=states), after=first[-1].id, limit=99)

        assert [one.id for one in [*first, *rest]] == sorted(wanted)

    async def test_page_filters_by_age(self, store: Store, clock: ManualClock) -> None:
        old = await opened(store)
        clock.advance(SECOND)
        new = await opened(store)

        async def listed(query: CallbackQuery) -> list[CallbackId]:
            return [one.id for one in await store.page(query, after=None, limit=9)]

        assert await listed(CallbackQuery(opened_before=new.opened_at)) == [old.id]
        assert await listed(CallbackQuery(opened_after=new.opened_at)) == [new.id]
        assert await listed(CallbackQuery(older_than=SECOND)) == [old.id]
        assert await listed(CallbackQuery(older_than=timedelta(0))) == [old.id, new.id]

    @pytest.mark.parametrize("outcome", OUTCOMES)
    async def test_list_omits_bodies_and_tokens(self, store: Store, outcome: Outcome) -> None:
        request = factories.request(on_deadline=Completed(b"0"))
        (callback,) = await store.open([request])
        await store.receive_heartbeats([ReceivedHeartbeat(callback.id, b"17")], lease=LEASE)
        await store.accept([factories.answer(callback.id, outcome)])
        whole = await found(store, callback.id)

        (listed,) = await store.page(CallbackQuery(states=frozenset(State)), after=None, limit=9)

        assert whole.heartbeat_state.details == b"17"
        assert listed == without_bodies(whole)

    async def test_overdue_list_omits_bodies_and_tokens(
        self, store: Store, clock: ManualClock
    ) -> None:
        request = factories.request(on_deadline=Completed(b"0"), deadline=SECOND)
        (callback,) = await store.open([request])
        clock.advance(SECOND)

        assert list(await store.overdue(limit=9)) == [without_bodies(callback)]

    async def test_accepted_entry_is_in_order_of_time(self, store: Store) -> None:
        before, early = await opened(store), await opened(store)
        await store.mark_submitted([before.id])
        await store.accept([factories.answer(one.id) for one in (before, early)])
        await store.mark_submitted([early.id])

        trails = [
            [entry.kind for entry in await store.audit_trail(one.id)] for one in (before, early)
        ]

        first, second, third = AuditKind.OPENED, AuditKind.SUBMITTED, AuditKind.ACCEPTED
        assert trails == [[first, second, third], [first, third, second]]

    async def test_only_open_callbacks_are_overdue(self, store: Store, clock: ManualClock) -> None:
        requests = [factories.request(deadline=within) for within in (SECOND, SECOND, SECOND * 9)]
        late, answered, _ = await store.open(requests)
        await store.open([factories.request()])
        await store.accept([factories.answer(answered.id)])
        clock.advance(SECOND)

        found = await store.page(CallbackQuery(is_overdue=True), after=None, limit=9)

        assert [one.id for one in found] == [late.id]
