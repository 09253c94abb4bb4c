"""Many results are delivered a few at a time, and each item has an outcome."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from ringback.completion.batch import Delivery, Ending, Progress, complete_many, completing_many
from ringback.completion.refs import ActivityRef, Target
from ringback.domain.completion_errors import ActivityNotFoundError
from ringback.testing import FakeCompletionClient
from tests.loops import idle


def ref(number: int) -> ActivityRef:
    return ActivityRef(str(number), "workflow")


def items(count: int) -> list[tuple[Target, object]]:
    return [(ref(number), f"result {number}") for number in range(count)]


class Gate:
    """A server that replies when the test releases it; it counts the calls that wait."""

    def __init__(self) -> None:
        self.under_way: list[Target] = []
        self.most = 0
        self.open = asyncio.Event()

    async def __call__(self, _told: str, target: Target) -> None:
        self.under_way.append(target)
        self.most = max(self.most, len(self.under_way))
        await self.open.wait()
        self.under_way.remove(target)


class Counted:
    """Endless items that count how many were read."""

    def __init__(self) -> None:
        self.asked = 0

    def __iter__(self) -> Iterator[tuple[Target, object]]:
        while True:
            self.asked += 1
            yield ref(self.asked), self.asked


@pytest.fixture
def gate(completion: FakeCompletionClient) -> Gate:
    completion.before = gate = Gate()
    return gate


async def test_each_activity_completes_with_its_result(
    completion: FakeCompletionClient,
) -> None:
    deliveries = await complete_many(completion, items(100), concurrency=3)

    assert [one.target for one in deliveries] == [ref(number) for number in range(100)]
    assert {one.ending for one in deliveries} == {Ending.COMPLETED}
    assert [completion[ref(number)].result for number in range(100)] == [
        f"result {number}" for number in range(100)
    ]


async def test_undelivered_item_keeps_its_result_and_does_not_stop_the_others(
    completion: FakeCompletionClient,
) -> None:
    completion[ref(1)].end()

    first, second, third = await complete_many(completion, items(3))

    assert (first.ending, third.ending) == (Ending.COMPLETED, Ending.COMPLETED)
    assert (second.ending, second.result) == (Ending.UNDELIVERED, "result 1")
    assert isinstance(second.error, ActivityNotFoundError)


async def test_requests_in_flight_never_exceed_the_concurrency(
    completion: FakeCompletionClient, gate: Gate
) -> None:
    done = asyncio.ensure_future(complete_many(completion, items(20), concurrency=3))
    await idle()
    gate.open.set()
    await done

    assert gate.most == 3


async def test_slow_item_blocks_later_items_only_when_the_window_is_full(
    completion: FakeCompletionClient,
) -> None:
    go_on = asyncio.Event()

    async def slow_first(_told: str, target: Target) -> None:
        if target == ref(0):
            await go_on.wait()

    completion.before = slow_first
    done = asyncio.ensure_future(complete_many(completion, items(20), concurrency=2))
    await idle()
    completed = [number for number in range(20) if completion[ref(number)].ended_by]
    go_on.set()

    assert completed == [1, 2, 3, 4, 5, 6, 7]
    assert len(await done) == 20


async def test_endless_items_are_read_only_while_there_is_room(
    completion: FakeCompletionClient, gate: Gate
) -> None:
    endless = Counted()
    first: list[Delivery] = []

    async def read_ten() -> None:
        async with completing_many(completion, endless, concurrency=5) as deliveries:
            async for delivery in deliveries:
                first.append(delivery)
                if len(first) == 10:
                    break

    reading = asyncio.ensure_future(read_ten())
    await idle()
    asked_at_first = endless.asked
    gate.open.set()
    await reading

    assert asked_at_first == 5
    assert [one.target for one in first] == [ref(number) for number in range(1, 11)]
    assert endless.asked <= 29


async def test_block_that_ends_early_waits_for_items_in_flight_and_starts_no_more(
    completion: FakeCompletionClient,
) -> None:
    begun, gate, leaving = [], Gate(), asyncio.Event()

    async def listen(verb: str, target: Target) -> None:
        begun.append(target)
        if target != ref(1):
            await gate(verb, target)

    async def end_early() -> list[Target]:
        async with completing_many(completion, Counted(), concurrency=2) as deliveries:
            await anext(deliveries)
            await idle()
            leaving.set()
            return list(begun)

    completion.before = listen
    block = asyncio.ensure_future(end_early())
    await leaving.wait()
    await idle()
    was_over = block.done()
    gate.open.set()

    assert await block == begun == [ref(1), ref(2), ref(3)]
    assert not was_over
    assert [completion[target].ended_by for target in begun] == ["completed"] * 3


class Arriving:
    """Items that arrive when the test releases them."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[Target, object]] = asyncio.Queue()
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[tuple[Target, object]]:
        try:
            while True:
                yield await self.queue.get()
        finally:
            self.is_closed = True


async def test_delivery_is_returned_before_the_next_item_arrives(
    completion: FakeCompletionClient,
) -> None:
    arriving = Arriving()
    seen: list[Progress] = []
    came = []

    async with completing_many(completion, arriving, on_progress=seen.append) as deliveries:
        for item in items(3):
            arriving.queue.put_nowait(item)
            came.append((await asyncio.wait_for(anext(deliveries), 5)).target)

    assert came == [ref(0), ref(1), ref(2)]
    assert [progress.done for progress in seen] == [1, 2, 3]
    assert arriving.is_closed


async def test_items_may_come_from_an_asynchronous_iterable(
    completion: FakeCompletionClient,
) -> None:
    async def arriving() -> AsyncIterator[tuple[Target, object]]:
        for item in items(5):
            await idle()
            yield item

    deliveries = await complete_many(completion, arriving())

    assert len(deliveries) == 5


async def test_progress_counts_each_outcome(completion: FakeCompletionClient) -> None:
    completion[ref(1)].end()
    seen: list[Progress] = []

    await complete_many(completion, items(3), on_progress=seen.append)

    assert seen == [
        Progress(completed=1),
        Progress(completed=1, undelivered=1),
        Progress(completed=2, undelivered=1),
    ]
    assert [progress.done for progress in seen] == [1, 2, 3]


async def test_exception_of_the_items_is_raised(completion: FakeCompletionClient) -> None:
    def broken() -> Iterator[tuple[Target, object]]:
        yield from items(2)
        raise KeyError

    came = []

    async def read() -> None:
        async with completing_many(completion, broken()) as deliveries:
            async for delivery in deliveries:
                came.append(delivery.target)  # noqa: PERF401 - what came before it raised counts

    with pytest.raises(KeyError):
        await read()

    assert came == [ref(0), ref(1)]


async def test_concurrency_below_one_is_rejected(
    completion: FakeCompletionClient,
) -> None:
    with pytest.raises(ValueError, match="use at least 1"):
        await complete_many(completion, items(1), concurrency=0)


async def test_no_items_have_no_deliveries(completion: FakeCompletionClient) -> None:
    assert await complete_many(completion, []) == []


def test_repr_of_a_delivery_shows_no_token_and_no_payload() -> None:
    shown = repr(
        Delivery(
            b"secret token",
            Ending.UNDELIVERED,
            error=ActivityNotFoundError("gone"),
            result="secret result",
            failure=ValueError("secret failure"),
        )
    )

    assert "secret" not in shown
    assert "gone" in shown
