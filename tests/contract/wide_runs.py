"""The contract of every store for polls of runs with many callbacks."""

from collections.abc import Sequence
from typing import Final

from ringback.domain.callback import State
from ringback.domain.ids import CallbackId
from ringback.domain.liveness import PollResult
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import LEASE, SECOND, Store, found
from tests.contract.tracked import MINUTE, claim_polls, open_in_runs, pending, save_poll

OPENED_AT_ONCE: Final = 250


async def open_interleaved(store: Store, runs: int, of_each: int) -> list[list[CallbackId]]:
    """Open callbacks of several runs alternately; return those of each run."""
    names = [f"run-{number}" for number in range(runs)] * of_each
    ids: list[CallbackId] = []
    for start in range(0, len(names), OPENED_AT_ONCE):
        ids += await open_in_runs(store, *names[start : start + OPENED_AT_ONCE])
    return [ids[number::runs] for number in range(runs)]


def flatten(runs: Sequence[Sequence[CallbackId]]) -> list[CallbackId]:
    return [id_ for run in runs for id_ in run]


class WideRunsContract:
    async def test_claim_returns_whole_runs_within_maximum(
        self, store: Store, clock: ManualClock
    ) -> None:
        runs = await open_interleaved(store, runs=20, of_each=4)
        clock.advance(SECOND)

        first = await claim_polls(store, limit=20, max_callbacks=30)
        second = await claim_polls(store, limit=20, max_callbacks=40)
        rest = await claim_polls(store, limit=20)

        assert first == flatten(runs[:7])
        assert second == flatten(runs[7:17])
        assert rest == flatten(runs[17:])

    async def test_claim_returns_the_maximum(self, store: Store, clock: ManualClock) -> None:
        runs = await open_interleaved(store, runs=12, of_each=3)
        clock.advance(SECOND)

        assert await claim_polls(store, limit=12, max_callbacks=30) == flatten(runs[:10])

    async def test_claim_reports_whether_more_may_be_due(
        self, store: Store, clock: ManualClock
    ) -> None:
        await open_interleaved(store, runs=20, of_each=4)
        clock.advance(SECOND)

        by_callbacks = await store.claim_polls(limit=50, lease=LEASE, max_callbacks=30)
        by_runs = await store.claim_polls(limit=5, lease=LEASE)
        of_the_rest = await store.claim_polls(limit=50, lease=LEASE)
        of_nothing = await store.claim_polls(limit=50, lease=LEASE)

        claims = [by_callbacks, by_runs, of_the_rest, of_nothing]
        assert [claim.is_full for claim in claims] == [True, True, False, False]

    async def test_partly_claimed_run_means_more_is_due(
        self, store: Store, clock: ManualClock
    ) -> None:
        await open_interleaved(store, runs=1, of_each=12)
        clock.advance(SECOND)

        claims = [await store.claim_polls(limit=9, lease=LEASE, max_callbacks=8) for _ in range(2)]

        assert [claim.is_full for claim in claims] == [True, False]

    async def test_callbacks_of_a_too_wide_run_are_claimed_in_turn(
        self, store: Store, clock: ManualClock
    ) -> None:
        (ids,) = await open_interleaved(store, runs=1, of_each=12)
        await save_poll(store, await found(store, ids[0]), poll_in=2 * SECOND)
        clock.advance(MINUTE)
        (other,) = await open_in_runs(store, "another")
        clock.advance(SECOND)

        claims = [await claim_polls(store, max_callbacks=5) for _ in range(4)]

        assert claims == [ids[1:6], ids[6:11], sorted([ids[0], ids[11], other]), []]

    async def test_other_runs_are_polled_beside_a_wide_run(
        self, store: Store, clock: ManualClock
    ) -> None:
        first, wide = await open_in_runs(store, "a"), await open_in_runs(store, *["b"] * 9)
        last = await open_in_runs(store, "c")
        clock.advance(SECOND)

        claims = [await claim_polls(store, max_callbacks=8) for _ in range(4)]

        assert claims == [first, wide[:8], [wide[8], *last], []]

    async def test_thousands_of_callbacks_are_claimed_saved_settled_and_expired(
        self, store: Store, clock: ManualClock
    ) -> None:
        # One claim takes 2,000 of these 2,400.
        runs = await open_interleaved(store, runs=30, of_each=80)
        clock.advance(SECOND)

        claimed = (await store.claim_polls(limit=50, lease=LEASE)).callbacks
        await store.save_poll_results([
            PollResult(one.id, one.attempt_started_at, pending(one, paused=True), MINUTE)
            for one in claimed
        ])
        seen = await store.find([one.id for one in claimed])
        overdue = await store.are_overdue([id_ for run in runs for id_ in run])
        await store.expire([factories.expiry(one) for one in claimed])

        assert [one.id for one in claimed] == flatten(runs[:25])
        assert all(one.paused_at == clock.now() for one in seen.values())
        assert overdue == frozenset()
        over = await store.find([one.id for one in claimed])
        assert {one.state for one in over.values()} == {State.EXPIRED}
        assert await claim_polls(store, limit=50) == flatten(runs[25:])
