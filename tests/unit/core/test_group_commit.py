"""Items that arrive together share a commit, and a single item does not wait."""

import asyncio
from collections.abc import Sequence

import pytest

from ringback.core.group_commit import HEAVIEST, LARGEST, GroupCommit
from ringback.core.services import run_services
from ringback.domain.errors import StoreUnavailableError
from tests.loops import idle


class Commits:
    """Records batches; a commit lasts until the test releases it."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.let_go = asyncio.Event()
        self.let_go.set()
        self.is_available = True

    async def __call__(self, items: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(items))
        await self.let_go.wait()
        if not self.is_available:
            msg = "away"
            raise StoreUnavailableError(msg)
        if 13 in items:
            msg = "13 cannot be written"
            raise ValueError(msg)
        return [item * 10 for item in items]


async def test_each_gets_its_own_result() -> None:
    group = GroupCommit(Commits())

    async with run_services(group):
        assert await asyncio.gather(*(group.submit(n) for n in range(5))) == [0, 10, 20, 30, 40]


async def test_items_that_arrive_during_a_commit_share_the_next_one() -> None:
    commits = Commits()
    group = GroupCommit(commits)
    commits.let_go.clear()

    async with run_services(group):
        first = asyncio.ensure_future(group.submit(1))
        await idle()
        others = [asyncio.ensure_future(group.submit(n)) for n in (2, 3)]
        await idle()
        commits.let_go.set()
        await asyncio.gather(first, *others)

    assert commits.batches == [[1], [2, 3]]


async def test_batch_has_at_most_the_largest_size() -> None:
    commits = Commits()
    group = GroupCommit(commits)

    async with run_services(group):
        await asyncio.gather(*(group.submit(n) for n in range(20, 22 + 2 * LARGEST)))

    assert [len(batch) for batch in commits.batches] == [LARGEST, LARGEST, 2]


async def test_large_items_are_committed_in_smaller_batches() -> None:
    commits = Commits()
    group = GroupCommit(commits, weigh=lambda number: HEAVIEST // 2 if number < 30 else 0)

    async with run_services(group):
        await asyncio.gather(*(group.submit(n) for n in range(27, 33)))

    assert commits.batches == [[27, 28], [29, 30, 31, 32]]


async def test_item_that_cannot_be_written_does_not_fail_the_others() -> None:
    group = GroupCommit(Commits())

    async with run_services(group):
        one, bad, other = await asyncio.gather(
            group.submit(1), group.submit(13), group.submit(2), return_exceptions=True
        )

    assert (one, other) == (10, 20)
    assert isinstance(bad, ValueError)


async def test_failed_commit_rejects_its_batch_and_the_next_one_succeeds() -> None:
    commits = Commits()
    commits.is_available = False
    group = GroupCommit(commits)

    async with run_services(group):
        refused = await asyncio.gather(group.submit(1), group.submit(2), return_exceptions=True)
        commits.is_available = True

        assert {type(error) for error in refused} == {StoreUnavailableError}
        assert await group.submit(3) == 30


async def test_items_that_wait_when_the_program_stops_are_rejected() -> None:
    commits = Commits()
    commits.let_go.clear()
    group = GroupCommit(commits)

    async with run_services(group):
        waiting = [asyncio.ensure_future(group.submit(n)) for n in (1, 2)]
        await idle()

    for refused in waiting:
        with pytest.raises(StoreUnavailableError):
            await refused


async def test_canceled_submit_does_not_withdraw_the_item() -> None:
    commits = Commits()
    commits.let_go.clear()
    group = GroupCommit(commits)

    async with run_services(group):
        gone = asyncio.ensure_future(group.submit(1))
        await idle()
        gone.cancel()
        commits.let_go.set()
        assert await group.submit(2) == 20

    assert commits.batches == [[1], [2]]


async def test_submit_after_the_stop_is_rejected() -> None:
    group = GroupCommit(Commits())
    async with run_services(group):
        await idle()

    with pytest.raises(StoreUnavailableError):
        await group.submit(1)
