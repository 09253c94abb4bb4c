"""What every store promises to those who bring outcomes to Temporal."""

from dataclasses import replace
from datetime import timedelta

from ringback.domain.callback import Callback, State
from ringback.domain.event import EventKind
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import (
    LEASE,
    SECOND,
    Store,
    accepted,
    claimed,
    events_of,
    found,
    handed_over,
    kinds,
    opened,
    outcome_of,
    settled,
    state_of,
)


async def asked_again(store: Store, callback: Callback, attempt: int = 2) -> Callback:
    (again,) = await store.open([factories.request(ref=callback.ref, attempt=attempt)])
    return again


class DeliveriesContract:
    async def test_a_claim_is_alone_until_its_lease_is_over(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await accepted(store)

        (first,) = await store.claim("one", limit=10, lease=LEASE)
        nothing = await store.claim("two", limit=10, lease=LEASE)
        clock.advance(LEASE)
        (again,) = await store.claim("two", limit=10, lease=LEASE)

        assert first.id == again.id == callback.id
        assert nothing == []
        assert (outcome_of(first).tries, outcome_of(again).tries) == (1, 2)

    async def test_the_oldest_is_claimed_first_and_no_more_than_asked(
        self, store: Store, clock: ManualClock
    ) -> None:
        waiting = []
        for _ in range(3):
            waiting.append((await accepted(store)).id)
            clock.advance(SECOND)

        taken = await store.claim("me", limit=2, lease=LEASE)

        assert [callback.id for callback in taken] == waiting[:2]

    async def test_what_a_try_did_to_the_attempt_that_asked_is_unproven(self, store: Store) -> None:
        callback = await claimed(store)

        assert callback == await found(store, callback.id)
        unproven = outcome_of(callback)
        assert unproven.unconfirmed_attempt == callback.attempt
        assert unproven.unconfirmed_started_at == callback.attempt_started_at

    async def test_the_first_unproven_attempt_stays_unproven(self, store: Store) -> None:
        callback = await claimed(store)
        await asked_again(store, callback)
        await store.postpone([factories.postponement(callback, timedelta(0))])

        (again,) = await store.claim("me", limit=1, lease=LEASE)

        assert again.attempt == 2
        assert outcome_of(again).unconfirmed_attempt == 1
        assert outcome_of(again).unconfirmed_started_at == callback.attempt_started_at

    async def test_what_was_postponed_as_untaken_is_proven(self, store: Store) -> None:
        callback = await claimed(store)

        await store.postpone([factories.postponement(callback, timedelta(0), is_not_applied=True)])

        proven = outcome_of(await found(store, callback.id))
        assert (proven.unconfirmed_attempt, proven.unconfirmed_started_at) == (None, None)

    async def test_a_verdict_from_before_it_was_found_untaken_is_void(self, store: Store) -> None:
        callback = await claimed(store)
        await store.postpone([factories.postponement(callback, timedelta(0), is_not_applied=True)])

        await store.settle([factories.settlement(callback, State.PARKED)])

        assert (await found(store, callback.id)).state is State.ACCEPTED

    async def test_an_attempt_that_is_known_not_to_have_ended_with_it_is_not_unproven_again(
        self, store: Store
    ) -> None:
        callback = await claimed(store)
        await store.postpone([factories.postponement(callback, timedelta(0), is_not_applied=True)])

        (same,) = await store.claim("me", limit=1, lease=LEASE)
        await store.postpone([factories.postponement(same, timedelta(0), is_not_applied=True)])
        later = await asked_again(store, callback)
        (another,) = await store.claim("me", limit=1, lease=LEASE)

        assert outcome_of(same).unconfirmed_attempt is None
        assert outcome_of(another).unconfirmed_started_at == later.attempt_started_at

    async def test_what_is_postponed_comes_back_in_its_time(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await claimed(store)

        await store.postpone([factories.postponement(callback, 2 * SECOND, "no server")])

        assert await store.next_due() == 2 * SECOND
        assert await store.claim("me", limit=1, lease=LEASE) == []
        clock.advance(2 * SECOND)
        (again,) = await store.claim("me", limit=1, lease=LEASE)
        assert outcome_of(again).last_error == "no server"

    async def test_who_stood_still_over_his_lease_postpones_nothing(
        self, store: Store, clock: ManualClock
    ) -> None:
        stale = await claimed(store, "one")
        clock.advance(LEASE)
        (latest,) = await store.claim("two", limit=1, lease=LEASE)

        await store.postpone([factories.postponement(stale, timedelta(0), is_not_applied=True)])

        assert await found(store, stale.id) == latest
        assert await store.claim("one", limit=1, lease=LEASE) == []

    async def test_who_stood_still_over_his_lease_settles_nothing(
        self, store: Store, clock: ManualClock
    ) -> None:
        stale = await claimed(store, "one")
        clock.advance(LEASE)
        await handed_over(store, stale)

        await store.settle([factories.settlement(stale, State.SUPERSEDED)])

        assert await state_of(store, stale.id) is State.ACCEPTED
        assert EventKind.SUPERSEDED not in await kinds(store, stale.id)

    async def test_a_verdict_of_the_present_try_counts_beside_a_stale_one(
        self, store: Store, clock: ManualClock
    ) -> None:
        stale = await claimed(store, "one")
        clock.advance(LEASE)
        (latest,) = await store.claim("two", limit=1, lease=LEASE)

        await store.settle([
            factories.settlement(stale, State.SUPERSEDED),
            factories.settlement(latest, State.APPLIED),
        ])

        assert await state_of(store, latest.id) is State.APPLIED

    async def test_what_is_released_is_due_at_once_and_nothing_else(self, store: Store) -> None:
        mine, other = await accepted(store), await accepted(store)
        await store.claim("me", limit=1, lease=LEASE)
        await store.claim("other", limit=1, lease=LEASE)

        await store.release("me")

        (again,) = await store.claim("me", limit=10, lease=LEASE)
        assert again.id == mine.id
        assert await state_of(store, other.id) is State.ACCEPTED

    async def test_who_lost_his_lease_releases_nothing(
        self, store: Store, clock: ManualClock
    ) -> None:
        await claimed(store, "one")
        clock.advance(LEASE)
        await store.claim("two", limit=1, lease=LEASE)

        await store.release("one")

        assert await store.claim("one", limit=1, lease=LEASE) == []

    async def test_nothing_is_due_when_nothing_waits(self, store: Store) -> None:
        await opened(store)
        await settled(store, State.APPLIED)

        assert await store.next_due() is None
        assert await store.claim("me", limit=1, lease=LEASE) == []

    async def test_the_first_verdict_counts(self, store: Store) -> None:
        callback = await accepted(store)

        await store.settle([factories.settlement(callback, State.APPLIED, {"by": "us"})])
        await store.settle([factories.settlement(callback, State.SUPERSEDED, {"by": "them"})])

        settled_ = await found(store, callback.id)
        assert settled_.state is State.APPLIED
        assert outcome_of(settled_).proof == {"by": "us"}
        assert EventKind.SUPERSEDED not in await kinds(store, callback.id)

    async def test_a_proof_is_kept_and_told_as_it_was_given(self, store: Store) -> None:
        callback = await accepted(store)
        proof: dict[str, object] = {
            "by": 'it\'s "Zoë"\\ \u2028',
            "event": 7,
            "at": None,
            "more": {"list": [1, "2"]},
        }

        await store.settle([factories.settlement(callback, State.APPLIED, proof)])

        (told,) = await events_of(store, callback.id, EventKind.APPLIED)
        assert told.facts == outcome_of(await found(store, callback.id)).proof == proof

    async def test_a_hand_over_keeps_deliverers_away_for_its_lease(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await asked_again(store, await accepted(store))

        assert await handed_over(store, callback, "w")

        assert await store.claim("me", limit=1, lease=LEASE) == []
        handed = outcome_of(await found(store, callback.id))
        assert (handed.delivered_inline_to, handed.delivered_inline_attempt, handed.tries) == (
            "w",
            2,
            1,
        )
        assert handed.unconfirmed_attempt == 2
        assert handed.unconfirmed_started_at == callback.attempt_started_at
        clock.advance(LEASE)
        (taken,) = await store.claim("me", limit=1, lease=LEASE)
        assert outcome_of(taken) == replace(handed, tries=2)

    async def test_nothing_is_handed_over_while_it_is_delivered(self, store: Store) -> None:
        callback = await claimed(store)

        assert not await handed_over(store, callback)

    async def test_nothing_is_handed_to_another_attempt_than_the_one_that_asked_last(
        self, store: Store
    ) -> None:
        before = await accepted(store)
        latest = await asked_again(store, before)

        assert not await handed_over(store, before)
        assert await handed_over(store, latest)

    async def test_what_an_attempt_took_and_did_not_end_with_the_next_one_takes(
        self, store: Store
    ) -> None:
        callback = await asked_again(store, await accepted(store))
        await handed_over(store, callback, "w")

        same = await handed_over(store, callback, "w")
        later = await handed_over(store, await asked_again(store, callback, 3), "v")

        assert (same, later) == (False, True)
        assert outcome_of(await found(store, callback.id)).delivered_inline_to == "v"

    async def test_what_was_postponed_can_be_handed_over(self, store: Store) -> None:
        callback = await claimed(store)
        await store.postpone([factories.postponement(callback, timedelta(hours=1))])

        assert await handed_over(store, callback)

    async def test_nothing_is_handed_over_that_is_parked_or_has_ended(self, store: Store) -> None:
        for verdict in (State.PARKED, State.APPLIED):
            callback = await settled(store, verdict)

            assert not await handed_over(store, callback)
            assert await state_of(store, callback.id) is verdict

    async def test_what_is_redelivered_waits_with_nothing_against_it(self, store: Store) -> None:
        callback = await claimed(store)
        await store.postpone([factories.postponement(callback, timedelta(0), "no server")])
        (callback,) = await store.claim("me", limit=1, lease=LEASE)
        await store.settle([factories.settlement(callback, State.PARKED, {"reason": "why"})])

        assert await store.redeliver(callback.id)

        waiting = outcome_of(await found(store, callback.id))
        assert await state_of(store, callback.id) is State.ACCEPTED
        assert (waiting.tries, waiting.last_error) == (2, None)
        assert (waiting.verdict_at, waiting.proof) == (None, None)
        assert (waiting.unconfirmed_attempt, waiting.unconfirmed_started_at) == (None, None)
        assert len(await events_of(store, callback.id, EventKind.REDELIVERED)) == 1
        (again,) = await store.claim("me", limit=1, lease=LEASE)
        assert again.id == callback.id

    async def test_only_what_is_parked_is_redelivered(self, store: Store) -> None:
        callbacks = [
            await opened(store),
            await accepted(store),
            await settled(store, State.APPLIED),
        ]

        assert not any([await store.redeliver(callback.id) for callback in callbacks])
