"""A batcher processes queued items in batches, and each item has exactly one outcome."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.completion.batch import Delivery, Ending, Progress
from ringback.completion.batcher import Batcher
from ringback.completion.refs import ActivityRef, Target
from ringback.domain.errors import TemporalUnreachableError
from ringback.testing import FakeCompletionClient, ManualClock
from tests.loops import idle

EVERY = timedelta(seconds=5)


def ref(number: int) -> ActivityRef:
    return ActivityRef(str(number), "workflow")


@dataclass
class Work:
    """Work on numbers that ends when it is released; negative numbers fail."""

    begun: list[int] = field(default_factory=list)
    at_once: int = 0
    most: int = 0
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, number: int) -> str:
        self.begun.append(number)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await self.go_on.wait()
        finally:
            self.at_once -= 1
        if number < 0:
            msg = f"no work for {number}"
            raise ValueError(msg)
        return f"worked on {number}"


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def batcher(completion: FakeCompletionClient, work: Work, clock: ManualClock) -> Batcher[int]:
    """A batcher whose work is released."""
    work.go_on.set()
    return Batcher(completion, work, size=3, every=EVERY, bound=6, clock=clock)


async def test_return_value_completes_and_exception_fails_the_activity(
    completion: FakeCompletionClient, batcher: Batcher[int]
) -> None:
    async with batcher:
        good, bad = await batcher.put(ref(1), 1), await batcher.put(ref(2), -2)

    assert (await good).ending is Ending.COMPLETED
    assert completion[ref(1)].result == "worked on 1"
    failed = await bad
    assert failed.ending is Ending.FAILED
    assert completion[ref(2)].failure is failed.failure
    assert isinstance(failed.failure, ValueError)


async def test_second_block_of_a_batcher_raises(batcher: Batcher[int]) -> None:
    async with batcher:
        first = await batcher.put(ref(1), 1)

    with pytest.raises(RuntimeError, match="create another batcher"):
        async with batcher:
            await batcher.put(ref(2), 2)

    assert (await first).ending is Ending.COMPLETED
    assert batcher.waiting == 0


async def test_second_concurrent_block_of_a_batcher_raises(
    batcher: Batcher[int],
) -> None:
    async with batcher:
        with pytest.raises(RuntimeError, match="create another batcher"):
            await batcher.__aenter__()
        delivery = await batcher.put(ref(1), 1)

    assert (await delivery).ending is Ending.COMPLETED


async def test_batch_starts_when_it_is_full(batcher: Batcher[int], work: Work) -> None:
    begun = []

    async with batcher:
        for number in range(3):
            await batcher.put(ref(number), number)
            await idle()
            begun.append(list(work.begun))

    assert begun == [[], [], [0, 1, 2]]


async def test_batch_starts_when_its_first_item_has_waited_for_the_interval(
    batcher: Batcher[int], work: Work, clock: ManualClock
) -> None:
    begun = []

    async with batcher:
        await batcher.put(ref(1), 1)
        await idle()
        clock.advance(EVERY / 2)
        await batcher.put(ref(2), 2)
        await idle()
        clock.advance(EVERY / 2 - timedelta(microseconds=1))
        await idle()
        begun.append(list(work.begun))
        clock.advance(timedelta(microseconds=1))
        await idle()
        begun.append(list(work.begun))

    assert begun == [[], [1, 2]]


async def test_interval_of_zero_starts_each_batch_at_once(
    completion: FakeCompletionClient, work: Work, clock: ManualClock
) -> None:
    work.go_on.set()

    async with Batcher(completion, work, every=timedelta(0), clock=clock) as batcher:
        delivery = await (await batcher.put(ref(1), 1))

    assert delivery.ending is Ending.COMPLETED


async def test_item_that_waited_for_a_long_batch_does_not_wait_again(
    batcher: Batcher[int], work: Work, clock: ManualClock
) -> None:
    work.go_on.clear()

    async with batcher:
        for number in range(4):
            await batcher.put(ref(number), number)
        await idle()
        clock.advance(EVERY)
        work.go_on.set()
        await idle()
        begun = list(work.begun)

    assert begun == [0, 1, 2, 3]


async def test_next_batch_starts_after_the_previous_one(batcher: Batcher[int], work: Work) -> None:
    work.go_on.clear()

    async with batcher:
        for number in range(6):
            await batcher.put(ref(number), number)
        await idle()
        begun = list(work.begun)
        work.go_on.set()

    assert begun == [0, 1, 2]
    assert work.most == 3
    assert work.begun == [0, 1, 2, 3, 4, 5]


async def test_put_waits_for_room(batcher: Batcher[int], work: Work) -> None:
    work.go_on.clear()

    async with batcher:
        for number in range(3):
            await batcher.put(ref(number), number)
        await idle()
        for number in range(3, 9):
            await batcher.put(ref(number), number)
        full = batcher.waiting
        late = asyncio.ensure_future(batcher.put(ref(9), 9))
        await idle()
        was_taken_in = late.done()
        work.go_on.set()
        delivery = await late

    assert (full, was_taken_in) == (6, False)
    assert (await delivery).ending is Ending.COMPLETED


async def test_canceled_put_queues_nothing(
    completion: FakeCompletionClient, batcher: Batcher[int], work: Work
) -> None:
    work.go_on.clear()

    async with batcher:
        for number in range(9):
            await batcher.put(ref(number), number)
            await idle()
        late = asyncio.ensure_future(batcher.put(ref(9), 9))
        await idle()
        late.cancel()
        await idle()
        work.go_on.set()
        await idle()
        await batcher.put(ref(10), 10)

    assert work.begun == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10]
    assert completion[ref(9)].ended_by is None


async def test_end_of_the_block_processes_all_queued_items(
    completion: FakeCompletionClient, batcher: Batcher[int]
) -> None:
    async with batcher:
        for number in range(5):
            await batcher.put(ref(number), number)

    assert [completion[ref(number)].ended_by for number in range(5)] == ["completed"] * 5
    assert batcher.progress == Progress(completed=5)


async def test_block_that_raises_still_processes_its_items(
    completion: FakeCompletionClient, batcher: Batcher[int]
) -> None:
    async def put_and_raise() -> None:
        async with batcher:
            await batcher.put(ref(1), 1)
            raise KeyError

    with pytest.raises(KeyError):
        await put_and_raise()

    assert completion[ref(1)].ended_by == "completed"


async def test_canceled_block_abandons_unfinished_items(
    completion: FakeCompletionClient, batcher: Batcher[int], work: Work
) -> None:
    work.go_on.clear()
    put: list[asyncio.Future[Delivery]] = []

    async def put_and_wait() -> None:
        async with batcher:
            put.extend([await batcher.put(ref(number), number) for number in range(5)])
            await asyncio.Event().wait()

    block = asyncio.ensure_future(put_and_wait())
    await idle()
    block.cancel()

    with pytest.raises(asyncio.CancelledError):
        await block
    assert [(await one).ending for one in put] == [Ending.ABANDONED] * 5
    assert batcher.progress == Progress(abandoned=5)
    assert completion[ref(0)].ended_by is None


async def test_item_of_a_block_canceled_at_once_is_abandoned(
    batcher: Batcher[int],
) -> None:
    put: list[asyncio.Future[Delivery]] = []

    async def put_and_stop() -> None:
        async with batcher:
            put.append(await batcher.put(ref(1), 1))
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await put_and_stop()

    assert put[0].done()
    assert put[0].result().ending is Ending.ABANDONED
    assert (batcher.waiting, batcher.progress) == (0, Progress(abandoned=1))


async def test_block_canceled_while_it_drains_abandons_the_rest(
    batcher: Batcher[int], work: Work
) -> None:
    work.go_on.clear()
    put: list[asyncio.Future[Delivery]] = []

    async def put_and_leave() -> None:
        async with batcher:
            put.append(await batcher.put(ref(1), 1))

    block = asyncio.ensure_future(put_and_leave())
    await idle()
    block.cancel()

    with pytest.raises(asyncio.CancelledError):
        await block
    assert (await put[0]).ending is Ending.ABANDONED


async def test_put_outside_the_block_raises(batcher: Batcher[int]) -> None:
    with pytest.raises(RuntimeError, match="only inside its block"):
        await batcher.put(ref(1), 1)

    async with batcher:
        pass

    with pytest.raises(RuntimeError, match="only inside its block"):
        await batcher.put(ref(1), 1)


async def test_put_that_waits_for_room_raises_when_the_batcher_closes(
    batcher: Batcher[int], work: Work
) -> None:
    work.go_on.clear()

    async with batcher:
        for number in range(9):
            await batcher.put(ref(number), number)
            await idle()
        late = [asyncio.ensure_future(batcher.put(ref(number), 9)) for number in range(9, 20)]
        await idle()
        work.go_on.set()

    results = await asyncio.gather(*late, return_exceptions=True)
    assert [type(one) for one in results] == [RuntimeError] * 11


async def test_canceled_delivery_future_stops_nothing(
    completion: FakeCompletionClient, batcher: Batcher[int], caplog: pytest.LogCaptureFixture
) -> None:
    async with batcher:
        (await batcher.put(ref(1), 1)).cancel()
        await batcher.put(ref(2), 2)

    assert completion[ref(1)].ended_by == "completed"
    assert batcher.progress == Progress(completed=2)
    assert caplog.records == []


@pytest.mark.parametrize(("number", "verb"), [(1, "complete"), (-1, "fail")])
async def test_undelivered_item_has_the_error_and_its_result(
    completion: FakeCompletionClient, batcher: Batcher[int], number: int, verb: str
) -> None:
    calls = []

    async def away(what: str, _target: Target) -> None:
        calls.append(what)
        msg = "Temporal does not answer"
        raise TemporalUnreachableError(msg)

    completion.before = away
    async with batcher:
        put = await batcher.put(ref(number), number)
    delivery = await put

    assert calls == [verb]
    assert delivery.ending is Ending.UNDELIVERED
    assert isinstance(delivery.error, TemporalUnreachableError)
    assert delivery.result == ("worked on 1" if number > 0 else None)
    assert isinstance(delivery.failure, ValueError) is (number < 0)


async def test_work_that_cancels_itself_fails_its_activity(
    completion: FakeCompletionClient, clock: ManualClock
) -> None:
    async def work(_payload: int) -> None:
        broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        broken.cancel()
        await broken

    async with Batcher(completion, work, clock=clock) as batcher:
        delivery = await batcher.put(ref(1), 1)

    assert (await delivery).ending is Ending.FAILED


async def test_progress_is_reported_after_each_item(
    completion: FakeCompletionClient, work: Work, clock: ManualClock
) -> None:
    seen: list[Progress] = []
    work.go_on.set()

    async with Batcher(completion, work, on_progress=seen.append, clock=clock) as batcher:
        await batcher.put(ref(1), 1)
        await batcher.put(ref(2), -2)

    assert seen == [Progress(completed=1), Progress(completed=1, failed=1)]


async def test_exception_of_on_progress_is_logged_and_stops_nothing(
    completion: FakeCompletionClient,
    work: Work,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(_progress: Progress) -> None:
        raise KeyError

    work.go_on.set()

    async with Batcher(completion, work, on_progress=broken, clock=clock) as batcher:
        deliveries = [await batcher.put(ref(number), number) for number in range(2)]

    assert [(await one).ending for one in deliveries] == [Ending.COMPLETED] * 2
    assert [one.levelno for one in caplog.records] == [logging.ERROR] * 2


@pytest.mark.parametrize(("size", "bound"), [(0, 1), (2, 1)])
def test_impossible_batch_size_is_rejected(
    completion: FakeCompletionClient, work: Work, size: int, bound: int
) -> None:
    with pytest.raises(ValueError, match="size must be from 1 to bound"):
        Batcher(completion, work, size=size, bound=bound)


Behavior: TypeAlias = Literal["returns", "raises", "result is not taken", "failure is not taken"]
Leaving: TypeAlias = Literal["ends", "raises", "is canceled"]
ENDINGS: dict[Behavior, Ending] = {
    "returns": Ending.COMPLETED,
    "raises": Ending.FAILED,
    "result is not taken": Ending.UNDELIVERED,
    "failure is not taken": Ending.UNDELIVERED,
}


class Env:
    """A batcher, its items, and what was observed of them."""

    def __init__(self, *, size: int, bound: int) -> None:
        self.clock = ManualClock()
        self.completion = FakeCompletionClient()
        self.completion.before = self.tell
        self.calls: Counter[Target] = Counter()
        self.begun: list[int] = []
        self.at_once = 0
        self.behaviors: list[Behavior] = []
        self.puts: list[asyncio.Task[asyncio.Future[Delivery]]] = []
        self.go_on = asyncio.Event()
        self.size = size
        self.bound = bound
        self.batcher = Batcher(
            self.completion, self.work, size=size, every=EVERY, bound=bound, clock=self.clock
        )

    def put(self, behavior: Behavior) -> None:
        number = len(self.behaviors)
        self.behaviors.append(behavior)
        self.puts.append(asyncio.ensure_future(self.batcher.put(ref(number), number)))

    async def work(self, number: int) -> int:
        self.begun.append(number)
        self.at_once += 1
        try:
            self.check()
            await self.go_on.wait()
        finally:
            self.at_once -= 1
        if self.behaviors[number] in {"raises", "failure is not taken"}:
            raise ValueError(number)
        return number

    async def tell(self, _told: str, target: Target) -> None:
        self.calls[target] += 1
        assert isinstance(target, ActivityRef)
        if self.behaviors[int(target.activity_id)].endswith("not taken"):
            msg = "Temporal does not answer"
            raise TemporalUnreachableError(msg)

    def check(self) -> None:
        assert self.at_once <= self.size
        assert self.batcher.waiting <= self.bound


WELL_AFTER = ManualClock().now() + 100 * EVERY

Step: TypeAlias = Callable[[Env], object]

STEPS: st.SearchStrategy[Step] = st.one_of(
    st.sampled_from(sorted(ENDINGS)).map(lambda behavior: lambda env: env.put(behavior)),
    st.sampled_from([0.1, 1, 5]).map(
        lambda seconds: lambda env: env.clock.advance(timedelta(seconds=seconds))
    ),
    st.just(lambda env: env.go_on.set()),
    st.just(lambda env: env.go_on.clear()),
)


async def play(env: Env, steps: list[tuple[Step, bool]], leaving: Leaving) -> None:
    async with env.batcher:
        for step, let_it_run in steps:
            step(env)
            if let_it_run:
                await idle()
            env.check()
        if leaving == "is canceled":
            await asyncio.Event().wait()
        env.go_on.set()
        await asyncio.gather(*env.puts)
        if leaving == "raises":
            raise KeyError


@given(
    size=st.integers(1, 4),
    room=st.integers(0, 4),
    steps=st.lists(st.tuples(STEPS, st.booleans()), max_size=30),
    leaving=st.sampled_from(["ends", "raises", "is canceled"]),
)
async def test_each_item_has_exactly_one_outcome_in_order_and_within_bounds(
    size: int, room: int, steps: list[tuple[Step, bool]], leaving: Leaving
) -> None:
    env = Env(size=size, bound=size + room)
    playing = asyncio.ensure_future(play(env, steps, leaving))
    while not playing.done():
        await idle()
        env.clock.advance(EVERY)
        if leaving == "is canceled" and not env.clock.now() < WELL_AFTER:
            playing.cancel()

    await asyncio.gather(playing, return_exceptions=True)
    await idle()

    taken_in = [put.result() for put in env.puts if put.done() and put.exception() is None]
    endings = [delivery.result().ending for delivery in taken_in]
    expected = [ENDINGS[behavior] for behavior in env.behaviors]
    assert env.begun == sorted(env.begun)
    assert max(env.calls.values(), default=0) <= 1
    assert env.batcher.progress.done == len(taken_in)
    if leaving == "is canceled":
        assert all(
            ending in {Ending.ABANDONED, wanted}
            for ending, wanted in zip(endings, expected, strict=False)
        )
    else:
        assert endings == expected
