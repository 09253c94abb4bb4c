"""The contract of a SQL store that several processes use concurrently.

Each test runs competing calls concurrently on separate stores, several times and in random order.
No call may fail, and the audit trail must agree with what each call returned.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeVar

from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.ids import CallbackId
from ringback.domain.liveness import PollResult
from ringback.domain.options import Attempts
from ringback.domain.outcome import Completed, Failed
from ringback.ports.deadlines import Extension
from ringback.ports.store import MAX_EVIDENCE, Expiry
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from tests import factories
from tests.contract.concurrent_aliases import ConcurrentAliasesContract
from tests.contract.concurrent_notifications import ConcurrentNotificationsContract
from tests.contract.concurrent_retention import ConcurrentRetentionContract
from tests.contract.concurrent_votes import ConcurrentVotesContract
from tests.contract.concurrent_webhooks import ConcurrentWebhooksContract
from tests.contract.event_replays import ConcurrentEventReplaysContract
from tests.contract.events import ConcurrentEventsContract
from tests.contract.parked import ConcurrentParkedContract
from tests.contract.stores import (
    LEASE,
    SECOND,
    accepted_callbacks,
    deliver_inline,
    due_callbacks,
    entries_of,
    found,
    kinds,
    outcome_of,
)
from tests.contract.tracked import pending

ROUNDS: Final = 10
MANY: Final = 8
ENDS: Final = {AuditKind.APPLIED, AuditKind.SUPERSEDED, AuditKind.PARKED}

T = TypeVar("T")


def shuffled(items: Sequence[T]) -> list[T]:
    return random.sample(items, len(items))


async def expiries(store: SqlStore, ids: Sequence[CallbackId]) -> list[Expiry]:
    """Return an expiry for each callback, based on its current attempt."""
    seen = await store.find(ids)
    return [factories.expiry(seen[id_]) for id_ in shuffled(ids)]


async def extended(store: SqlStore, ids: Sequence[CallbackId]) -> dict[CallbackId, Extension]:
    return {id_: await store.extend(id_, LEASE) for id_ in ids}


class ConcurrencyContract(
    ConcurrentParkedContract,
    ConcurrentWebhooksContract,
    ConcurrentNotificationsContract,
    ConcurrentVotesContract,
    ConcurrentRetentionContract,
    ConcurrentAliasesContract,
    ConcurrentEventsContract,
    ConcurrentEventReplaysContract,
):
    """The fixture `stores` is four stores on one database, dated by `clock`."""

    async def test_answer_expiry_and_default_race_and_one_wins(
        self, stores: Sequence[SqlStore], clock: ManualClock
    ) -> None:
        for _ in range(ROUNDS):
            one, other, third, fourth = stores
            ids = await due_callbacks(one, clock, MANY)
            answers = {id_: factories.answer(id_, Completed(b"1")) for id_ in ids}

            given, _nothing, defaults, extensions = await asyncio.gather(
                one.accept([answers[id_] for id_ in shuffled(ids)]),
                other.expire(await expiries(other, ids)),
                third.accept_defaults(shuffled(ids), factories.outcome_id),
                extended(fourth, shuffled(ids)),
            )

            won = [result for result in given if result is not None]
            ended = await one.find(ids)
            by_answer = [id_ for id_ in ids if _has(ended[id_], answers[id_].id)]
            by_default = [id_ for id_ in ids if _is_default(ended[id_])]
            by_end = [id_ for id_ in ids if ended[id_].state is State.EXPIRED]
            assert len(by_answer) == len(won)
            assert sorted(by_default) == sorted(defaults)
            assert sorted([*by_answer, *by_default, *by_end]) == sorted(ids)
            for id_, extension in extensions.items():
                recorded = await kinds(one, id_)
                assert (AuditKind.EXTENDED in recorded) is extension.was_extended
                assert not (extension.was_extended and id_ in by_default)
                assert len({AuditKind.ACCEPTED, AuditKind.EXPIRED} & set(recorded)) == 1

    async def test_answer_races_revocation_and_one_wins(self, stores: Sequence[SqlStore]) -> None:
        for _ in range(ROUNDS):
            callbacks = await stores[0].open([factories.request() for _ in range(MANY)])
            ids = [callback.id for callback in callbacks]
            answers = [factories.answer(one.id, link_serial=one.link_serial) for one in callbacks]

            given, _ = await asyncio.gather(
                stores[1].accept(answers),
                asyncio.gather(*(stores[2].revoke(id_) for id_ in shuffled(ids))),
            )

            for id_, accepted_at in zip(ids, given, strict=True):
                recorded = await kinds(stores[0], id_)
                ends = [AuditKind.REVOKED]
                if accepted_at is not None:
                    ends = [AuditKind.ACCEPTED, AuditKind.REVOKED]
                assert recorded == [AuditKind.OPENED, *ends]

    async def test_concurrent_attempts_share_one_callback_of_the_latest(
        self, stores: Sequence[SqlStore]
    ) -> None:
        for _ in range(ROUNDS):
            refs = [factories.activity_ref() for _ in range(10 * MANY)]

            opened = await asyncio.gather(
                *(
                    store.open([
                        factories.request(ref=ref, attempt=attempt) for ref in shuffled(refs)
                    ])
                    for attempt, store in enumerate(stores, 1)
                )
            )

            by_ref = {(one.ref, one.id) for callbacks in opened for one in callbacks}
            assert len(by_ref) == len(refs)
            for id_, callback in (await stores[0].find([id_ for _, id_ in by_ref])).items():
                assert callback.attempt == len(stores)
                assert (await kinds(stores[0], id_)).count(AuditKind.OPENED) == 1

    async def test_with_attempts_current_concurrent_attempts_leave_latest_open(
        self, stores: Sequence[SqlStore]
    ) -> None:
        for _ in range(ROUNDS):
            refs = [factories.activity_ref() for _ in range(MANY)]

            opened = await asyncio.gather(
                *(
                    store.open([
                        factories.request(ref=ref, attempt=attempt, attempts=Attempts.CURRENT)
                        for ref in shuffled(refs)
                    ])
                    for attempt, store in enumerate(stores, 1)
                )
            )

            known = await stores[0].find([one.id for callbacks in opened for one in callbacks])
            for ref in refs:
                rounds = [callback for callback in known.values() if callback.ref == ref]
                waiting = [callback for callback in rounds if callback.state is State.OPEN]
                assert [callback.attempt for callback in waiting] == [len(stores)]
                numbers = sorted(callback.generation for callback in rounds)
                assert numbers == list(range(1, len(rounds) + 1))
                for callback in rounds:
                    assert (await kinds(stores[0], callback.id)).count(AuditKind.OPENED) == 1

    async def test_answer_expiry_and_later_attempt_race_and_one_wins(
        self, stores: Sequence[SqlStore]
    ) -> None:
        for _ in range(ROUNDS):
            refs = [factories.activity_ref() for _ in range(MANY)]
            first = [factories.request(ref=ref, attempts=Attempts.CURRENT) for ref in refs]
            ids = [callback.id for callback in await stores[0].open(first)]
            later, latest = (
                [factories.request_of(request, started_at=at) for request in first]
                for at in (factories.NOW + SECOND, factories.NOW + 2 * SECOND)
            )

            given, *_ = await asyncio.gather(
                stores[0].accept([factories.answer(id_) for id_ in shuffled(ids)]),
                stores[1].open(shuffled(later)),
                stores[2].open(shuffled(latest)),
                stores[3].expire(await expiries(stores[3], ids)),
            )

            known = await stores[0].find(ids)
            won = [result for result in given if result is not None]
            accepted = [one for one in known.values() if one.state is State.ACCEPTED]
            assert len(accepted) == len(won)
            for id_, callback in known.items():
                ends = {AuditKind.ACCEPTED, AuditKind.EXPIRED} & set(await kinds(stores[0], id_))
                assert {kind.value for kind in ends} == {callback.state.value}
                assert len([kind for kind in await kinds(stores[0], id_) if kind in ends]) == 1

    async def test_concurrent_openings_after_delivery_create_one_callback(
        self, stores: Sequence[SqlStore]
    ) -> None:
        for _ in range(ROUNDS):
            failed = factories.activity_ref()
            (open_one,) = await stores[0].open([factories.request(ref=failed)])
            await stores[0].accept([factories.answer(open_one.id, Failed("no"))])
            answered = await found(stores[0], open_one.id)
            later = factories.request(ref=failed, attempt=2)

            opened, _ = await asyncio.gather(
                asyncio.gather(
                    *(store.open([replace(later, id=factories.callback_id())]) for store in stores)
                ),
                stores[0].settle([factories.settlement(answered, State.APPLIED)]),
            )
            (after,) = await stores[0].open([replace(later, id=factories.callback_id())])

            assert after.generation == 2
            assert {one.generation for (one,) in opened} <= {1, 2}
            assert {one.id for (one,) in opened if one.generation == 2} <= {after.id}

    async def test_due_outcome_is_claimed_by_one_process(self, stores: Sequence[SqlStore]) -> None:
        for _ in range(ROUNDS):
            waiting = await accepted_callbacks(stores[0], 5 * MANY)

            claims = await asyncio.gather(
                *(
                    store.claim(f"{number}", limit=7, lease=LEASE)
                    for number, store in enumerate(list(stores) * 2)
                )
            )

            taken = [callback.id for claim in claims for callback in claim]
            assert all(len(claim) <= 7 for claim in claims)
            assert len(taken) == len(set(taken))
            rest = await stores[0].claim("rest", limit=len(waiting), lease=LEASE)
            assert sorted([*taken, *(callback.id for callback in rest)]) == sorted(
                callback.id for callback in waiting
            )
            assert {outcome_of(callback).tries for claim in claims for callback in claim} <= {1}

    async def test_settle_and_postpone_race_and_one_wins(
        self, stores: Sequence[SqlStore], clock: ManualClock
    ) -> None:
        for _ in range(ROUNDS):
            one, other, third, fourth = stores
            await accepted_callbacks(one, MANY)
            claimed = await one.claim("one", limit=MANY, lease=LEASE)
            clock.advance(LEASE)

            _settled, _overruled, _postponed, handed, again, _released = await asyncio.gather(
                one.settle([factories.settlement(of, State.APPLIED) for of in shuffled(claimed)]),
                other.settle([factories.settlement(of, State.PARKED) for of in shuffled(claimed)]),
                third.postpone([factories.postponement(of) for of in shuffled(claimed)]),
                _handed_over_all(fourth, shuffled(claimed)),
                other.claim("other", limit=MANY, lease=LEASE),
                third.release("one"),
            )

            tried = {callback.id for callback in again}
            for before in claimed:
                id_ = before.id
                callback = await found(one, id_)
                verdicts = [kind for kind in await kinds(one, id_) if kind in ENDS]
                is_settled = callback.state is not State.ACCEPTED
                assert [kind.value for kind in verdicts] == [callback.state.value] * is_settled
                # A later try invalidates the result of the one before, and there is only one later
                # try.
                assert not (id_ in tried and id_ in handed)
                is_tried_again = id_ in tried or id_ in handed
                assert factories.tries(callback) == factories.tries(before) + is_tried_again
                assert not (is_settled and is_tried_again)
            assert {of.id for of in await fourth.claim("rest", limit=MANY, lease=LEASE)}.isdisjoint(
                tried | handed
            )

    async def test_concurrent_redeliveries_count_once(self, stores: Sequence[SqlStore]) -> None:
        for _ in range(ROUNDS):
            (callback,) = await accepted_callbacks(stores[0], 1)
            await stores[0].settle([factories.settlement(callback, State.PARKED)])

            redelivered = await asyncio.gather(*(store.redeliver(callback.id) for store in stores))

            assert sum(redelivered) == 1
            assert len(await entries_of(stores[0], callback.id, AuditKind.REDELIVERED)) == 1

    async def test_concurrent_poll_result_and_extension_are_both_stored(
        self, stores: Sequence[SqlStore], clock: ManualClock
    ) -> None:
        for _ in range(ROUNDS):
            one, other, third, fourth = stores
            (callback,) = await one.open([
                factories.request(deadline=SECOND, on_deadline=Completed(b"0"))
            ])
            attempt_timeout_at = clock.now() + 3 * SECOND
            waits = pending(callback, attempt_timeout_at=attempt_timeout_at)
            poll_result = PollResult(callback.id, callback.attempt_started_at, waits, SECOND)

            await asyncio.gather(
                one.save_poll_results([poll_result]),
                other.extend(callback.id, 2 * SECOND),
                third.mark_submitted([callback.id]),
                fourth.mark_submitted([callback.id]),
            )

            after = await found(one, callback.id)
            assert (after.attempt_timeout_at, after.own_deadline_at) == (
                attempt_timeout_at,
                clock.now() + 2 * SECOND,
            )
            assert await one.next_default() == 2 * SECOND
            assert len(await entries_of(one, callback.id, AuditKind.SUBMITTED)) == 1

    async def test_evidence_is_bounded_over_all_processes(self, stores: Sequence[SqlStore]) -> None:
        (callback,) = await accepted_callbacks(stores[0], 1)
        different = [factories.answer(callback.id, Completed(b'"other"')) for _ in range(9)]

        await asyncio.gather(*(store.store_evidence(different) for store in stores))

        evidence = await entries_of(stores[0], callback.id, AuditKind.ANSWERED_DIFFERENTLY)
        assert len(evidence) == MAX_EVIDENCE

    async def test_concurrent_openings_store_their_schema_once(
        self, stores: Sequence[SqlStore]
    ) -> None:
        text = f'{{"title": "{factories.callback_id()}"}}'

        opened = await asyncio.gather(
            *(store.open([factories.request(result_schema=text)]) for store in stores)
        )

        (schema_id,) = {callback.schema_id or "" for (callback,) in opened}
        assert await stores[0].schemas([schema_id]) == {schema_id: text}


async def _handed_over_all(store: SqlStore, claimed: Sequence[Callback]) -> set[CallbackId]:
    return {callback.id for callback in claimed if await deliver_inline(store, callback)}


def _has(callback: Callback, outcome_id: str) -> bool:
    return callback.accepted is not None and callback.accepted.id == outcome_id


def _is_default(callback: Callback) -> bool:
    return callback.accepted is not None and callback.accepted.is_default
