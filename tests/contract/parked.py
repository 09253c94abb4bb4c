"""The contract of every store for parked answers that are given up."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import pytest

from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback, State
from ringback.ports.retention import RecordKind
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from tests import factories
from tests.contract.aliases import open_with, owner_of
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
    outcome_of,
    settled,
    state_of,
    to_give_up,
)
from tests.contract.webhooks import CANCEL_URL, NOTIFY_URL, open_with_urls, webhooks_by_url

ROUNDS: Final = 10
DAY: Final = timedelta(days=1)


async def parked_again(store: Store, callback: Callback) -> Callback:
    """Deliver a parked outcome once more in vain."""
    await store.redeliver(callback.id)
    (claimed,) = await store.claim("me", limit=1, lease=LEASE)
    await store.settle([factories.settlement(claimed, State.PARKED)])
    return await found(store, callback.id)


class ParkedContract:
    @pytest.mark.parametrize("verdict", [State.SUPERSEDED, State.APPLIED])
    async def test_given_up_outcome_has_verdict_proof_and_entries(
        self, store: Store, clock: ManualClock, verdict: State
    ) -> None:
        callback = await settled(store, State.PARKED)
        clock.advance(SECOND)
        end = to_give_up(callback, verdict, proof={"closed": "terminated"}, facts={"by": "k1"})

        assert await store.give_up(end)

        now = await found(store, callback.id)
        assert now.state is verdict
        assert outcome_of(now).outcome == outcome_of(callback).outcome
        assert (outcome_of(now).verdict_at, outcome_of(now).proof) == (
            clock.now(),
            {"closed": "terminated"},
        )
        entries = (await store.audit_trail(callback.id))[-2:]
        assert [(one.kind, one.at, one.facts) for one in entries] == [
            (AuditKind.GIVEN_UP, clock.now(), {"by": "k1"}),
            (AuditKind(verdict.value), clock.now(), {"closed": "terminated"}),
        ]

    @pytest.mark.parametrize("state", [state for state in State if state is not State.PARKED])
    async def test_only_parked_outcomes_are_given_up(self, store: Store, state: State) -> None:
        callback = await in_state(store, state)
        before = await store.audit_trail(callback.id)

        assert not await store.give_up(to_give_up(callback))

        assert await found(store, callback.id) == callback
        assert await store.audit_trail(callback.id) == before

    async def test_outcome_that_was_tried_again_is_not_given_up(self, store: Store) -> None:
        callback = await settled(store, State.PARKED)
        again = await parked_again(store, callback)

        assert not await store.give_up(to_give_up(callback))
        assert await found(store, callback.id) == again
        assert await store.give_up(to_give_up(again))

    async def test_outcome_whose_callback_a_later_attempt_opened_is_not_given_up(
        self, store: Store
    ) -> None:
        callback = await settled(store, State.PARKED)
        (later,) = await store.open([factories.request(ref=callback.ref, attempt=2)])

        assert later.id == callback.id
        assert not await store.give_up(to_give_up(callback))
        assert await state_of(store, callback.id) is State.PARKED
        assert await store.give_up(to_give_up(later))

    async def test_give_up_ends_the_trouble_and_frees_the_alias(self, store: Store) -> None:
        first = await open_with(store, "order:17")
        await store.accept([factories.answer(first.id)])
        await store.settle([factories.settlement(await found(store, first.id), State.PARKED)])
        troubles = await store.troubles(most=10)

        await store.give_up(to_give_up(await found(store, first.id)))

        assert list(troubles.parked) == [first.id]
        assert list((await store.troubles(most=10)).parked) == []
        second = await open_with(store, "order:17")
        owner = await owner_of(store, "order:17")
        assert owner is not None
        assert owner.callback_id == second.id

    async def test_given_up_callback_is_deleted_in_its_time(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await settled(store, State.PARKED)
        clock.advance(DAY)
        purge = store.ended[RecordKind.CALLBACKS].purge
        await purge([callback.id], DAY)
        await store.give_up(to_give_up(callback))
        await purge([callback.id], DAY)
        kept = await store.find([callback.id])

        clock.advance(DAY)
        await purge([callback.id], DAY)

        assert list(kept) == [callback.id]
        assert await store.find([callback.id]) == {}

    async def test_both_urls_receive_that_a_given_up_outcome_is_superseded(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_with_urls(store)
        await store.accept([factories.answer(callback.id)])
        clock.advance(SECOND)
        await store.settle([factories.settlement(await found(store, callback.id), State.PARKED)])
        clock.advance(SECOND)

        await store.give_up(to_give_up(await found(store, callback.id)))

        assert await webhooks_by_url(store) == {
            CANCEL_URL: [AuditKind.SUPERSEDED],
            NOTIFY_URL: [AuditKind.ACCEPTED, AuditKind.PARKED, AuditKind.SUPERSEDED],
        }

    async def test_given_up_outcome_is_not_delivered(self, store: Store) -> None:
        callback = await accepted(store)
        await store.settle([factories.settlement(callback, State.PARKED)])
        await store.give_up(to_give_up(await found(store, callback.id)))

        assert not await store.redeliver(callback.id)
        assert await store.claim("me", limit=1, lease=LEASE) == []


class ConcurrentParkedContract:
    async def test_of_concurrent_give_ups_and_redeliveries_one_counts(
        self, stores: Sequence[SqlStore]
    ) -> None:
        one, other, third, fourth = stores
        for _ in range(ROUNDS):
            (callback,) = await accepted_callbacks(one, 1)
            await one.settle([factories.settlement(callback, State.PARKED)])
            end = to_give_up(callback)

            *given_up, redelivered = await asyncio.gather(
                one.give_up(end),
                other.give_up(end),
                third.give_up(end),
                fourth.redeliver(callback.id),
            )

            assert sum(given_up) + redelivered == 1
            ends = await entries_of(one, callback.id, AuditKind.GIVEN_UP)
            assert len(ends) == sum(given_up)
            assert (AuditKind.SUPERSEDED in await kinds(one, callback.id)) == any(given_up)
