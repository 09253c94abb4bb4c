"""The contract of a SQL store for concurrent polls and heartbeats.

As in `tests.contract.concurrency`: what contends runs again and again, in another order each time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import asyncpg
import pytest

from ringback.domain.activity_state import DETAILS_INTERVAL
from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.ids import CallbackId
from ringback.domain.liveness import PollResult, ReceivedHeartbeat, SentHeartbeat
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from tests import factories
from tests.contract.concurrency import MANY, ROUNDS, expiries, shuffled
from tests.contract.sender_polls import claimed as claim_sender_polls
from tests.contract.sender_polls import open_polled
from tests.contract.stores import LEASE, SECOND, accepted, entries_of, found, opened
from tests.contract.tracked import (
    CALM,
    GAP,
    MINUTE,
    claim_heartbeats,
    claim_polls,
    open_in_runs,
    open_kept_alive,
    pending,
    receive_due_heartbeat,
)

PAUSED: Final = replace(CALM, paused=True)


def sent(of: Callback) -> SentHeartbeat:
    return SentHeartbeat(
        of.id, of.attempt_started_at, of.heartbeat_state.heartbeat_received_at, PAUSED
    )


class ConcurrentPollsContract:
    """The fixture `stores` is four stores on one database, dated by `clock`."""

    async def test_due_poll_of_a_sender_is_claimed_by_one_process(
        self, stores: Sequence[SqlStore], clock: ManualClock
    ) -> None:
        for _ in range(ROUNDS):
            ids = [(await open_polled(stores[0])).id for _ in range(2 * MANY)]
            clock.advance(MINUTE)

            claims = await asyncio.gather(
                *(claim_sender_polls(store, limit=MANY) for store in [*stores, *stores])
            )

            claimed = [id_ for claim in claims for id_ in claim]
            assert len(claimed) == len(set(claimed))
            assert set(claimed) <= set(ids)
            for store in stores:
                claimed += await claim_sender_polls(store, limit=2 * MANY)
            assert sorted(claimed) == sorted(ids)
            answers = [factories.answer(id_) for id_ in ids]
            await stores[0].accept(answers)

    async def test_due_poll_is_claimed_by_one_process(
        self, stores: Sequence[SqlStore], clock: ManualClock
    ) -> None:
        for number in range(ROUNDS):
            runs = [f"{number}-{run}" for run in range(3 * MANY)]
            ids = await open_in_runs(stores[0], *runs, *runs)
            clock.advance(SECOND)

            claims = await asyncio.gather(
                *(claim_polls(store, limit=5) for store in [*stores, *stores])
            )

            rest = await claim_polls(stores[0], limit=len(runs))
            claimed = [id_ for claim in claims for id_ in claim]
            assert sorted([*claimed, *rest]) == sorted(ids)
            for claim in claims:
                known = await stores[0].find(claim)
                assert len({callback.ref.run for callback in known.values()}) <= 5
            await stores[0].expire(await expiries(stores[0], ids))

    async def test_due_heartbeat_is_claimed_by_one_process(
        self, stores: Sequence[SqlStore], clock: ManualClock
    ) -> None:
        for _ in range(ROUNDS):
            ids = [(await open_kept_alive(stores[0])).id for _ in range(2 * MANY)]
            clock.advance(GAP / 2)

            claims = await asyncio.gather(
                *(claim_heartbeats(store, limit=3) for store in [*stores, *stores])
            )

            rest = await claim_heartbeats(stores[0], limit=len(ids))
            claimed = [id_ for claim in claims for id_ in claim]
            assert all(len(claim) <= 3 for claim in claims)
            assert sorted([*claimed, *rest]) == sorted(ids)
            await stores[0].expire(await expiries(stores[0], ids))

    async def test_of_concurrent_heartbeats_one_is_due_and_none_is_lost(
        self, stores: Sequence[SqlStore]
    ) -> None:
        for _ in range(ROUNDS):
            ids = [(await opened(stores[0])).id for _ in range(MANY)]

            noted = await asyncio.gather(
                *(
                    store.receive_heartbeats(
                        [ReceivedHeartbeat(id_, b"1") for id_ in shuffled(ids)], lease=LEASE
                    )
                    for store in stores
                )
            )

            receipts = [one for of_store in noted for one in of_store]
            due = [one.callback for one in receipts if one.is_due and one.callback is not None]
            assert sorted(callback.id for callback in due) == sorted(ids)
            seen = {
                one.callback.heartbeat_state.heartbeat_received_at
                for one in receipts
                if one.callback is not None
            }
            assert len(seen) == len(stores)

    async def test_heartbeat_received_during_a_send_is_forwarded_later(
        self, stores: Sequence[SqlStore]
    ) -> None:
        for _ in range(ROUNDS):
            claimed = [
                await receive_due_heartbeat(stores[0], await opened(stores[0]), b"1")
                for _ in range(MANY)
            ]
            notes = [ReceivedHeartbeat(one.id, b"2") for one in claimed]

            noted, _ = await asyncio.gather(
                stores[0].receive_heartbeats(shuffled(notes), lease=LEASE),
                stores[1].save_sent_heartbeats([sent(one) for one in shuffled(claimed)]),
            )

            assert not any(one.is_due for one in noted)
            for callback in claimed:
                heartbeat_state = (await found(stores[0], callback.id)).heartbeat_state
                assert heartbeat_state.details == b"2"
                assert heartbeat_state.heartbeat_sent_at is not None
                assert (
                    heartbeat_state.heartbeat_due_at
                    == heartbeat_state.heartbeat_sent_at + DETAILS_INTERVAL
                )

    async def test_later_attempt_answer_and_stale_poll_result_agree(
        self, stores: Sequence[SqlStore], clock: ManualClock
    ) -> None:
        for _ in range(ROUNDS):
            one, other, third, fourth = stores
            callbacks = [await open_kept_alive(one) for _ in range(MANY)]
            clock.advance(GAP)
            claimed = await one.claim_heartbeats(limit=MANY, lease=LEASE)
            later = [factories.request(ref=callback.ref, attempt=2) for callback in callbacks]

            await asyncio.gather(
                one.save_sent_heartbeats([sent(callback) for callback in shuffled(claimed)]),
                other.save_poll_results([_paused(callback) for callback in shuffled(claimed)]),
                third.open(shuffled(later)),
                fourth.accept([factories.answer(callback.id) for callback in shuffled(claimed)]),
                fourth.postpone_heartbeats([callback.id for callback in shuffled(claimed)], None),
                one.release_polls([callback.id for callback in shuffled(claimed)], SECOND),
            )

            for callback in callbacks:
                after = await found(one, callback.id)
                recorded = await entries_of(one, callback.id, AuditKind.PAUSED)
                assert (after.state, after.attempt) == (State.ACCEPTED, 2)
                assert after.heartbeat_state.heartbeat_sent_at is None
                assert len(recorded) == (after.paused_at is not None)


def _paused(callback: Callback) -> PollResult:
    waits = pending(callback, paused=True)
    return PollResult(callback.id, callback.attempt_started_at, waits, MINUTE)


@asynccontextmanager
async def locked(url: str, table: str, key: str, callback_id: CallbackId) -> AsyncIterator[None]:
    """Lock a row for the block, as an uncommitted claim does."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            chosen = f"SELECT 1 FROM {table} WHERE {key} = $1 FOR UPDATE"  # noqa: S608 - the test's
            assert await connection.fetchval(chosen, callback_id) == 1
            yield
    finally:
        await connection.close()


async def deliveries(store: SqlStore) -> list[CallbackId]:
    return [callback.id for callback in await store.claim("me", limit=9, lease=LEASE)]


class SkipLockedContract:
    """The fixture `stores` uses the PostgreSQL database at `url`."""

    @pytest.mark.parametrize(
        ("make", "claim", "table", "key"),
        [
            (opened, claim_polls, "callbacks", "id"),
            (open_kept_alive, claim_heartbeats, "callbacks", "id"),
            (accepted, deliveries, "outcomes", "callback_id"),
        ],
        ids=["polls", "heartbeats", "deliveries"],
    )
    async def test_claim_skips_rows_locked_by_others(
        self,
        stores: Sequence[SqlStore],
        clock: ManualClock,
        url: str,
        *,
        make: Callable[[SqlStore], Awaitable[Callback]],
        claim: Callable[[SqlStore], Awaitable[list[CallbackId]]],
        table: str,
        key: str,
    ) -> None:
        held, free = [(await make(stores[0])).id for _ in range(2)]
        clock.advance(MINUTE)

        async with locked(url, table, key, held):
            claimed = await claim(stores[0])

        assert claimed == [free]
        assert await claim(stores[0]) == [held]

    async def test_locked_callback_is_not_claimed_with_its_run(
        self, stores: Sequence[SqlStore], clock: ManualClock, url: str
    ) -> None:
        (due,) = await open_in_runs(stores[0], "r")
        clock.advance(SECOND)
        (held,) = await open_in_runs(stores[0], "r")

        async with locked(url, "callbacks", "id", held):
            claimed = await claim_polls(stores[0])

        assert claimed == [due]
