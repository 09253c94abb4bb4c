"""The contract of every store for answers."""

from dataclasses import replace

import pytest

from ringback.domain.audit import AuditKind
from ringback.domain.callback import MOVES, State
from ringback.domain.outcome import Completed, Outcome
from ringback.domain.terms import to_terms
from ringback.ports.deliveries import GiveUp, Postponement, Settlement
from ringback.ports.store import EVIDENCE_BYTES, MAX_EVIDENCE, Expiry
from tests import factories
from tests.contract.stores import (
    LEASE,
    OUTCOMES,
    Store,
    accepted,
    entries_of,
    found,
    in_state,
    opened,
    outcome_of,
    state_of,
    try_to_move,
)


class AnswersContract:
    async def test_first_outcome_is_stored_and_later_ones_are_not(self, store: Store) -> None:
        callback = await opened(store)
        first = factories.answer(callback.id, Completed(b"1"))
        second = factories.answer(callback.id, Completed(b"2"))

        (won,) = await store.accept([first])
        (lost,) = await store.accept([second])

        assert lost is None
        kept = outcome_of(await found(store, callback.id))
        assert (kept.id, kept.outcome, kept.accepted_at) == (first.id, Completed(b"1"), won)

    async def test_answer_by_revoked_link_is_not_accepted(self, store: Store) -> None:
        callback, other = await opened(store), await opened(store)
        await store.revoke(callback.id)
        first, current = callback.link_serial, callback.link_serial + 1
        revoked = factories.answer(callback.id, Completed(b"0"), link_serial=first)
        by_the_other = factories.answer(other.id, link_serial=other.link_serial)

        (nothing, taken) = await store.accept([revoked, by_the_other])

        assert (nothing, taken is None) == (None, False)
        assert (await found(store, callback.id)).state is State.OPEN
        assert await entries_of(store, callback.id, AuditKind.ACCEPTED) == []
        answers = [revoked, factories.answer(callback.id, Completed(b"1"), link_serial=current)]
        assert [at is None for at in await store.accept(answers)] == [True, False]
        assert outcome_of(await found(store, callback.id)).outcome == Completed(b"1")

    async def test_answer_without_link_is_accepted_after_revocation(self, store: Store) -> None:
        callback = await opened(store)
        await store.revoke(callback.id)

        (accepted_at,) = await store.accept([factories.answer(callback.id)])

        assert accepted_at is not None

    @pytest.mark.parametrize("state", State)
    async def test_terms_are_the_same_in_every_state(self, store: Store, state: State) -> None:
        callback, unknown = await in_state(store, state), factories.callback_id()

        terms = await store.terms([callback.id, unknown])

        assert terms == {callback.id: to_terms(callback)}

    async def test_terms_stay_the_same_after_workflow_reset(self, store: Store) -> None:
        ref = factories.activity_ref()
        (first,) = await store.open([factories.request(ref=ref, follow_reset=True)])
        before = await store.terms([first.id])
        later = replace(ref, run_id="another-run")

        (again,) = await store.open([factories.request(ref=later, attempt=2, follow_reset=True)])

        assert (again.id, again.ref.run_id) == (first.id, "another-run")
        assert await store.terms([first.id]) == before == {first.id: to_terms(again)}

    async def test_first_outcome_of_one_call_is_stored(self, store: Store) -> None:
        callback, other = await opened(store), await opened(store)
        answers = [
            factories.answer(other.id, Completed(b"3")),
            factories.answer(callback.id, Completed(b"1")),
            factories.answer(callback.id, Completed(b"2")),
        ]

        results = await store.accept(answers)

        assert [result is not None for result in results] == [True, True, False]
        assert outcome_of(await found(store, callback.id)).outcome == Completed(b"1")

    @pytest.mark.parametrize("outcome", OUTCOMES, ids=ascii)
    async def test_outcome_is_stored_exactly(self, store: Store, outcome: Outcome) -> None:
        kept = outcome_of(await accepted(store, outcome))

        assert kept.outcome == outcome
        assert not kept.is_default

    async def test_answer_to_unknown_callback_is_not_accepted(self, store: Store) -> None:
        (result,) = await store.accept([factories.answer(factories.callback_id())])

        assert result is None

    async def test_answer_to_expired_callback_is_not_accepted(self, store: Store) -> None:
        callback = await in_state(store, State.EXPIRED)

        (result,) = await store.accept([factories.answer(callback.id)])

        assert result is None
        assert await found(store, callback.id) == callback
        assert callback.expired_because == "timed out"
        assert await store.claim("me", limit=1, lease=LEASE) == []

    async def test_answered_callback_does_not_expire(self, store: Store) -> None:
        callback = await accepted(store)

        await store.expire([factories.expiry(callback, "timed out")])

        assert await found(store, callback.id) == callback

    async def test_expiry_of_earlier_attempt_has_no_effect(self, store: Store) -> None:
        seen = await opened(store)
        (now,) = await store.open([factories.request(ref=seen.ref, attempt=2)])

        await store.expire([factories.expiry(seen, "timed out")])

        assert await found(store, seen.id) == now

    async def test_accepted_entry_names_outcome_without_its_body(self, store: Store) -> None:
        callback = await opened(store)
        answer = factories.answer(callback.id)

        await store.accept([answer])

        (entry,) = await entries_of(store, callback.id, AuditKind.ACCEPTED)
        assert entry.facts == {"kind": "completed", "outcome": answer.id}

    async def test_evidence_is_stored_and_changes_no_state(self, store: Store) -> None:
        callback = await accepted(store)

        await store.store_evidence([factories.answer(callback.id, Completed(b'"other"'))])

        assert await found(store, callback.id) == callback
        (evidence,) = await entries_of(store, callback.id, AuditKind.ANSWERED_DIFFERENTLY)
        assert evidence.facts["body"] == '"other"'

    async def test_evidence_is_bounded_in_count_and_size(self, store: Store) -> None:
        callback = await accepted(store)
        long = b'"' + b"x" * 2 * EVIDENCE_BYTES + b'"'

        for _ in range(MAX_EVIDENCE + 5):
            await store.store_evidence([factories.answer(callback.id, Completed(long))])

        evidence = await entries_of(store, callback.id, AuditKind.ANSWERED_DIFFERENTLY)
        assert len(evidence) == MAX_EVIDENCE
        assert {len(str(entry.facts["body"])) for entry in evidence} == {EVIDENCE_BYTES}

    async def test_unknown_callback_is_ignored(self, store: Store) -> None:
        nobody = factories.callback_id()

        await store.mark_submitted([nobody])
        await store.expire([Expiry(nobody, factories.NOW, "over")])
        await store.settle([Settlement(nobody, 0, State.APPLIED, {})])
        await store.postpone([Postponement(nobody, 0, LEASE, "why")])
        await store.store_evidence([factories.answer(nobody)])

        assert not await store.deliver_inline(
            nobody, worker="w", attempt_started_at=factories.NOW, lease=LEASE
        )
        assert not await store.redeliver(nobody)
        assert not await store.give_up(
            GiveUp(Settlement(nobody, 0, State.APPLIED, {}), factories.NOW, {})
        )
        assert (await store.extend(nobody, LEASE)).callback is None
        assert await store.accept_defaults([nobody], factories.outcome_id) == []
        assert await store.find([nobody]) == {}
        assert await store.audit_trail(nobody) == []

    @pytest.mark.parametrize("state", list(State), ids=lambda state: state.value)
    async def test_callback_moves_only_as_moves_allow(self, store: Store, state: State) -> None:
        moved: set[State] = set()
        for wanted in State:
            callback = await in_state(store, state)
            await try_to_move(store, callback, wanted)
            moved |= {await state_of(store, callback.id)} - {state}

        assert moved == MOVES[state]
