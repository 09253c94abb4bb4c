"""The contract of every store for deliveries to Temporal."""

from dataclasses import replace
from datetime import timedelta

from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.outcome import to_body
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import (
    LEASE,
    SECOND,
    Store,
    accepted,
    claimed,
    deliver_inline,
    entries_of,
    found,
    kinds,
    opened,
    outcome_of,
    settled,
    state_of,
)


async def open_next_attempt(store: Store, callback: Callback, attempt: int = 2) -> Callback:
    (again,) = await store.open([factories.request(ref=callback.ref, attempt=attempt)])
    return again


class DeliveriesContract:
    async def test_claimed_outcome_is_not_claimed_again_during_its_lease(
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

    async def test_claim_returns_oldest_outcomes_up_to_limit(
        self, store: Store, clock: ManualClock
    ) -> None:
        waiting = []
        for _ in range(3):
            waiting.append((await accepted(store)).id)
            clock.advance(SECOND)

        taken = await store.claim("me", limit=2, lease=LEASE)

        assert [callback.id for callback in taken] == waiting[:2]

    async def test_claim_ends_with_the_outcome_that_reaches_its_bytes(
        self, store: Store, clock: ManualClock
    ) -> None:
        waiting = []
        for _ in range(3):
            waiting.append((await accepted(store)).id)
            clock.advance(SECOND)

        (first,) = await store.claim("me", limit=9, lease=LEASE, most_bytes=1)
        size = len(to_body(outcome_of(first).outcome) or b"")
        rest = await store.claim("me", limit=9, lease=LEASE, most_bytes=size + 1)

        assert size > 1
        assert first.id == waiting[0]
        assert [callback.id for callback in rest] == waiting[1:]

    async def test_claim_marks_current_attempt_as_unconfirmed(self, store: Store) -> None:
        callback = await claimed(store)

        assert callback == await found(store, callback.id)
        unproven = outcome_of(callback)
        assert unproven.unconfirmed_attempt == callback.attempt
        assert unproven.unconfirmed_started_at == callback.attempt_started_at

    async def test_first_unconfirmed_attempt_stays_over_later_claims(self, store: Store) -> None:
        callback = await claimed(store)
        await open_next_attempt(store, callback)
        await store.postpone([factories.postponement(callback, timedelta(0))])

        (again,) = await store.claim("me", limit=1, lease=LEASE)

        assert again.attempt == 2
        assert outcome_of(again).unconfirmed_attempt == 1
        assert outcome_of(again).unconfirmed_started_at == callback.attempt_started_at

    async def test_postponing_as_not_applied_clears_unconfirmed_attempt(self, store: Store) -> None:
        callback = await claimed(store)

        await store.postpone([factories.postponement(callback, timedelta(0), is_not_applied=True)])

        proven = outcome_of(await found(store, callback.id))
        assert (proven.unconfirmed_attempt, proven.unconfirmed_started_at) == (None, None)

    async def test_verdict_of_try_before_not_applied_is_ignored(self, store: Store) -> None:
        callback = await claimed(store)
        await store.postpone([factories.postponement(callback, timedelta(0), is_not_applied=True)])

        await store.settle([factories.settlement(callback, State.PARKED)])

        assert (await found(store, callback.id)).state is State.ACCEPTED

    async def test_not_applied_attempt_is_not_marked_unconfirmed_again(self, store: Store) -> None:
        callback = await claimed(store)
        await store.postpone([factories.postponement(callback, timedelta(0), is_not_applied=True)])

        (same,) = await store.claim("me", limit=1, lease=LEASE)
        await store.postpone([factories.postponement(same, timedelta(0), is_not_applied=True)])
        later = await open_next_attempt(store, callback)
        (another,) = await store.claim("me", limit=1, lease=LEASE)

        assert outcome_of(same).unconfirmed_attempt is None
        assert outcome_of(another).unconfirmed_started_at == later.attempt_started_at

    async def test_postponed_outcome_is_due_after_its_wait(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await claimed(store)

        await store.postpone([factories.postponement(callback, 2 * SECOND, "no server")])

        assert await store.next_due() == 2 * SECOND
        assert await store.claim("me", limit=1, lease=LEASE) == []
        clock.advance(2 * SECOND)
        (again,) = await store.claim("me", limit=1, lease=LEASE)
        assert outcome_of(again).last_error == "no server"

    async def test_postponement_after_lease_was_lost_is_ignored(
        self, store: Store, clock: ManualClock
    ) -> None:
        stale = await claimed(store, "one")
        clock.advance(LEASE)
        (latest,) = await store.claim("two", limit=1, lease=LEASE)

        await store.postpone([factories.postponement(stale, timedelta(0), is_not_applied=True)])

        assert await found(store, stale.id) == latest
        assert await store.claim("one", limit=1, lease=LEASE) == []

    async def test_verdict_after_lease_was_lost_is_ignored(
        self, store: Store, clock: ManualClock
    ) -> None:
        stale = await claimed(store, "one")
        clock.advance(LEASE)
        await deliver_inline(store, stale)

        await store.settle([factories.settlement(stale, State.SUPERSEDED)])

        assert await state_of(store, stale.id) is State.ACCEPTED
        assert AuditKind.SUPERSEDED not in await kinds(store, stale.id)

    async def test_current_verdict_in_one_call_with_stale_one_is_stored(
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

    async def test_release_makes_only_own_claims_due_now(self, store: Store) -> None:
        mine, other = await accepted(store), await accepted(store)
        await store.claim("me", limit=1, lease=LEASE)
        await store.claim("other", limit=1, lease=LEASE)

        await store.release("me")

        (again,) = await store.claim("me", limit=10, lease=LEASE)
        assert again.id == mine.id
        assert await state_of(store, other.id) is State.ACCEPTED

    async def test_release_after_lease_was_lost_has_no_effect(
        self, store: Store, clock: ManualClock
    ) -> None:
        await claimed(store, "one")
        clock.advance(LEASE)
        await store.claim("two", limit=1, lease=LEASE)

        await store.release("one")

        assert await store.claim("one", limit=1, lease=LEASE) == []

    async def test_next_due_is_none_without_outcomes(self, store: Store) -> None:
        await opened(store)
        await settled(store, State.APPLIED)

        assert await store.next_due() is None
        assert await store.claim("me", limit=1, lease=LEASE) == []

    async def test_second_verdict_is_ignored(self, store: Store) -> None:
        callback = await accepted(store)

        await store.settle([factories.settlement(callback, State.APPLIED, {"by": "us"})])
        await store.settle([factories.settlement(callback, State.SUPERSEDED, {"by": "them"})])

        settled_ = await found(store, callback.id)
        assert settled_.state is State.APPLIED
        assert outcome_of(settled_).proof == {"by": "us"}
        assert AuditKind.SUPERSEDED not in await kinds(store, callback.id)

    async def test_proof_is_stored_and_recorded_unchanged(self, store: Store) -> None:
        callback = await accepted(store)
        proof: dict[str, object] = {
            "by": 'it\'s "Zoë"\\ \u2028',
            "event": 7,
            "at": None,
            "more": {"list": [1, "2"]},
        }

        await store.settle([factories.settlement(callback, State.APPLIED, proof)])

        (entry,) = await entries_of(store, callback.id, AuditKind.APPLIED)
        assert entry.facts == outcome_of(await found(store, callback.id)).proof == proof

    async def test_inline_delivery_blocks_claims_during_its_lease(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_next_attempt(store, await accepted(store))

        assert await deliver_inline(store, callback, "w")

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

    async def test_claimed_outcome_is_not_delivered_inline(self, store: Store) -> None:
        callback = await claimed(store)

        assert not await deliver_inline(store, callback)

    async def test_only_latest_attempt_gets_inline_delivery(self, store: Store) -> None:
        before = await accepted(store)
        latest = await open_next_attempt(store, before)

        assert not await deliver_inline(store, before)
        assert await deliver_inline(store, latest)

    async def test_next_attempt_gets_outcome_that_earlier_one_did_not_apply(
        self, store: Store
    ) -> None:
        callback = await open_next_attempt(store, await accepted(store))
        await deliver_inline(store, callback, "w")

        same = await deliver_inline(store, callback, "w")
        later = await deliver_inline(store, await open_next_attempt(store, callback, 3), "v")

        assert (same, later) == (False, True)
        assert outcome_of(await found(store, callback.id)).delivered_inline_to == "v"

    async def test_postponed_outcome_is_delivered_inline(self, store: Store) -> None:
        callback = await claimed(store)
        await store.postpone([factories.postponement(callback, timedelta(hours=1))])

        assert await deliver_inline(store, callback)

    async def test_settled_outcome_is_not_delivered_inline(self, store: Store) -> None:
        for verdict in (State.PARKED, State.APPLIED):
            callback = await settled(store, verdict)

            assert not await deliver_inline(store, callback)
            assert await state_of(store, callback.id) is verdict

    async def test_redelivery_resets_error_proof_and_attempts(self, store: Store) -> None:
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
        assert len(await entries_of(store, callback.id, AuditKind.REDELIVERED)) == 1
        (again,) = await store.claim("me", limit=1, lease=LEASE)
        assert again.id == callback.id

    async def test_only_parked_outcomes_are_redelivered(self, store: Store) -> None:
        callbacks = [
            await opened(store),
            await accepted(store),
            await settled(store, State.APPLIED),
        ]

        assert not any([await store.redeliver(callback.id) for callback in callbacks])
