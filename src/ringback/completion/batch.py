"""Batch: complete many activities, a few at a time, and report the outcome of each."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeAlias

from ringback.completion.refs import CompletionClient, Target, freeze
from ringback.core.services import caught, task_group

Items: TypeAlias = Iterable[tuple[Target, object]] | AsyncIterable[tuple[Target, object]]

CONCURRENCY: Final = 32
_AHEAD: Final = 4
"""Maximum items held, as a multiple of the concurrency: a slow one must not stop the others."""


class Ending(StrEnum):
    """The outcome of one item."""

    COMPLETED = "completed"
    """Temporal accepted the result."""
    FAILED = "failed"
    """The work raised an exception, and Temporal accepted the failure."""
    UNDELIVERED = "undelivered"
    """Temporal accepted neither; `error` says why, and whether a retry may succeed."""
    ABANDONED = "abandoned"
    """The batcher was stopped first. If the work had ended, Temporal may have received it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The outcome of one item. Its repr shows no token and no payload.

    Attributes:
        target: The activity.
        ending: The outcome.
        error: Why the item is undelivered: retry after a `RetryableError`, not after a
            `FinalError`.
        result: The result of an undelivered item, if its work returned one.
        failure: The exception that the work raised, if any.
    """

    target: Target = field(repr=False)
    ending: Ending
    error: Exception | None = None
    result: object = field(default=None, repr=False)
    failure: Exception | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Progress:
    """The number of items with each outcome.

    Attributes:
        completed: Temporal accepted their results.
        failed: Temporal accepted their failures.
        undelivered: Temporal accepted neither.
        abandoned: Their batcher was stopped first.
    """

    completed: int = 0
    failed: int = 0
    undelivered: int = 0
    abandoned: int = 0

    @property
    def done(self) -> int:
        """The number of items with an outcome."""
        return self.completed + self.failed + self.undelivered + self.abandoned

    def after(self, delivery: Delivery) -> "Progress":
        """Return the progress with one more item."""
        count = delivery.ending.value
        return replace(self, **{count: getattr(self, count) + 1})


OnProgress: TypeAlias = Callable[[Progress], object]


@asynccontextmanager
async def completing_many(
    client: CompletionClient,
    items: Items,
    *,
    concurrency: int = CONCURRENCY,
    on_progress: OnProgress | None = None,
) -> AsyncIterator[AsyncIterator[Delivery]]:
    """Complete each activity of `items` with its result, and iterate over the outcomes.

    `async with completing_many(…) as deliveries:` and `async for delivery in deliveries:`. The
    deliveries come in the order of `items`, each as soon as it and all earlier ones have ended.
    `items` are read concurrently with the block, at most four times `concurrency` ahead. A block
    that ends early starts no more items and waits for those in flight; a block that raises cancels
    them.

    Args:
        client: The completion client.
        items: Pairs of target and result, from a plain or an asynchronous iterable.
        concurrency: Maximum requests in flight.
        on_progress: Called before each delivery is returned.

    Yields:
        The outcome of each item. An item that Temporal did not accept raises nothing.

    Raises:
        ValueError: `concurrency` is below one.
        Exception: `items` raised it, after the deliveries of earlier items; or `on_progress` raised
            it, and Temporal may have accepted items in flight.
    """
    if concurrency < 1:
        msg = f"concurrency is {concurrency}; use at least 1"
        raise ValueError(msg)
    async with (
        task_group() as group,
        aclosing(_Window(client, group, concurrency).over(items)) as deliveries,
        aclosing(_counted(deliveries, on_progress)) as counted,
    ):
        yield counted


async def complete_many(
    client: CompletionClient,
    items: Items,
    *,
    concurrency: int = CONCURRENCY,
    on_progress: OnProgress | None = None,
) -> list[Delivery]:
    """Complete each activity of `items` with its result.

    Use `completing_many` if the deliveries of all items would need too much memory.

    Args:
        client: The completion client.
        items: Pairs of target and result, from a plain or an asynchronous iterable.
        concurrency: Maximum requests in flight.
        on_progress: Called after each item, in the order of `items`.

    Returns:
        The outcome of each item, in the order of `items`. An item that Temporal did not accept
        raises nothing.

    Raises:
        ValueError: `concurrency` is below one.
        Exception: `items` or `on_progress` raised it; Temporal may have accepted items in flight.
    """
    options = completing_many(client, items, concurrency=concurrency, on_progress=on_progress)
    async with options as deliveries:
        return [delivery async for delivery in deliveries]


class _Window:
    def __init__(
        self, client: CompletionClient, group: asyncio.TaskGroup, concurrency: int
    ) -> None:
        self._client = client
        self._group = group
        self._room = asyncio.Semaphore(concurrency * _AHEAD)
        self._allowed = asyncio.Semaphore(concurrency)
        self._begun: asyncio.Queue[asyncio.Task[Delivery] | Exception | None] = asyncio.Queue()

    async def over(self, items: Items) -> AsyncGenerator[Delivery, None]:
        reader = self._group.create_task(self._read_to_the_end(items), name="read the items")
        try:
            while isinstance(begun := await self._begun.get(), asyncio.Task):
                yield await begun
                self._room.release()
        finally:
            reader.cancel()
        if begun is not None:
            raise begun

    async def _read_to_the_end(self, items: Items) -> None:
        self._begun.put_nowait(await caught(self._read(items)))

    async def _read(self, items: Items) -> None:
        # A task of its own, since `items` may be slow.
        async with aclosing(_each(items)) as each:
            await self._until_one_may_begin()
            async for target, result in each:
                complete = self._complete(freeze(target), result)
                self._begun.put_nowait(self._group.create_task(complete))
                await self._until_one_may_begin()

    async def _until_one_may_begin(self) -> None:
        await self._room.acquire()
        await self._allowed.acquire()

    async def _complete(self, target: Target, result: object) -> Delivery:
        try:
            error = await caught(self._client.complete(target, result))
        finally:
            self._allowed.release()
        if error is None:
            return Delivery(target, Ending.COMPLETED)
        return Delivery(target, Ending.UNDELIVERED, error=error, result=result)


async def _each(items: Items) -> AsyncGenerator[tuple[Target, object], None]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


async def _counted(
    deliveries: AsyncIterator[Delivery], on_progress: OnProgress | None
) -> AsyncGenerator[Delivery, None]:
    progress = Progress()
    async for delivery in deliveries:
        progress = progress.after(delivery)
        if on_progress is not None:
            on_progress(progress)
        yield delivery
