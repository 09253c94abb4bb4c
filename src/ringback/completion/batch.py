"""Batch: complete many activities, a few at a time, and report what became of each."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeAlias

from ringback.completion.protocol import CompletionClient
from ringback.completion.refs import Target
from ringback.core.service import caught, task_group

Items: TypeAlias = Iterable[tuple[Target, object]] | AsyncIterable[tuple[Target, object]]

CONCURRENCY: Final = 32
_AHEAD: Final = 4
"""How many times the concurrency may be held, so that a slow one does not stop those behind it."""


class Ending(StrEnum):
    """What became of one item."""

    COMPLETED = "completed"
    """Temporal took the result."""
    FAILED = "failed"
    """Its work raised, and Temporal took the failure."""
    UNTOLD = "untold"
    """Temporal took neither; `error` says why, and whether it may work later."""
    ABANDONED = "abandoned"
    """Its batcher was stopped first. If its work had ended, Temporal may have been told."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one item. Its text shows no token and no payload.

    Attributes:
        target: The activity.
        ending: What became of it.
        error: Why it is untold: a `RetryableError` may be told again, a `FinalError` need not.
        result: What an untold item was to be completed with, if its work returned.
        failure: What the work raised, if it did.
    """

    target: Target = field(repr=False)
    ending: Ending
    error: Exception | None = None
    result: object = field(default=None, repr=False)
    failure: Exception | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Progress:
    """How many items have come to which end.

    Attributes:
        completed: Temporal took their results.
        failed: Temporal took their failures.
        untold: Temporal took neither.
        abandoned: Their batcher was stopped first.
    """

    completed: int = 0
    failed: int = 0
    untold: int = 0
    abandoned: int = 0

    @property
    def done(self) -> int:
        """How many have come to an end."""
        return self.completed + self.failed + self.untold + self.abandoned

    def after(self, delivery: Delivery) -> "Progress":
        """Return the progress with one more."""
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
    """Complete each activity of `items` with its result; read what became of each in the block.

    `async with completing_many(…) as deliveries:` and `async for delivery in deliveries:`. They
    come in the order of `items`, each as soon as it and those before it are there. The items are
    read beside the block, as there is room: at most four times `concurrency` are held, however many
    there are. A block that ends early begins no more, and waits for those under way; one that
    raises cancels them.

    Args:
        client: Who tells the activities.
        items: A target and its result each, from a plain or an asynchronous iterable.
        concurrency: How many requests are under way at once.
        on_progress: Called before each delivery comes out.

    Yields:
        What became of each item. One that Temporal did not take raises nothing.

    Raises:
        ValueError: `concurrency` is below one.
        Exception: What `items` raised, after the deliveries of those before; or what `on_progress`
            raised, and those under way may have been taken.
    """
    if concurrency < 1:
        msg = f"at least one at a time, not {concurrency}"
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

    Use `completing_many` for more items than there should be deliveries in memory.

    Args:
        client: Who tells the activities.
        items: A target and its result each, from a plain or an asynchronous iterable.
        concurrency: How many requests are under way at once.
        on_progress: Called after each, in the order of `items`.

    Returns:
        What became of each item, in the order of `items`. One that Temporal did not take raises
        nothing.

    Raises:
        ValueError: `concurrency` is below one.
        Exception: What `items` or `on_progress` raised; those under way may have been taken.
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
        # One task reads, beside who waits for the deliveries: the items may be slow to come.
        async with aclosing(_each(items)) as each:
            await self._until_one_may_begin()
            async for target, result in each:
                self._begun.put_nowait(self._group.create_task(self._complete(target, result)))
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
        return Delivery(target, Ending.UNTOLD, error=error, result=result)


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
