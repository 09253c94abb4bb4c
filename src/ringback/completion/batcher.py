"""The batcher: work for many activities, in batches of a maximum size or at an interval."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from ringback.completion.batch import Delivery, Ending, OnProgress, Progress
from ringback.completion.failures import (
    CANCELED_FROM_WITHIN,
    fail_with_what_was_raised,
    is_being_canceled,
)
from ringback.completion.refs import CompletionClient, Target, freeze
from ringback.core.services import (
    SystemClock,
    TaskPool,
    caught,
    run_services,
    task_group,
    wait_for_event,
)
from ringback.domain.durations import check_duration
from ringback.ports.clock import Clock

T = TypeVar("T")

logger = logging.getLogger(__name__)

_SIZE: Final = 10
_EVERY: Final = timedelta(seconds=5)
_BOUND: Final = 1000


@dataclass(frozen=True, slots=True)
class _Done:
    result: object = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class _Item(Generic[T]):
    target: Target = field(repr=False)
    payload: T = field(repr=False)
    put_at: timedelta
    delivery: "asyncio.Future[Delivery]" = field(repr=False)


class Batcher(Generic[T]):
    """Processes queued items: `async with Batcher(client, work) as batcher:`.

    A batch starts when `size` items wait, or the first of them has waited for `every`. Its items
    run concurrently, and the next batch starts after it, so at most `size` items run at a time. The
    activity completes with what `work` returns and fails with what it raises. Each item has exactly
    one outcome, its `Delivery`, and no item stops the batcher. A batcher has one block; for another
    block, create another batcher.

    The end of the block processes all queued items. A canceled block (the program stops) abandons
    the items without an outcome.

    A waiting item sends no heartbeats: keep `every`, and the time that a batch takes, well below
    the activities' timeouts.

    Attributes:
        progress: The number of items with each outcome.
    """

    def __init__(
        self,
        client: CompletionClient,
        work: Callable[[T], Awaitable[object]],
        *,
        size: int = _SIZE,
        every: timedelta = _EVERY,
        bound: int = _BOUND,
        on_progress: OnProgress | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Process payloads with `work`, and complete the activities through `client`.

        Args:
            client: The completion client.
            work: Turns one payload into the activity's result, or raises.
            size: Maximum items that run at a time.
            every: The longest time that an item waits for its batch to fill.
            bound: Maximum items that wait; `put` waits for room.
            on_progress: Called after each item; its exceptions are logged.
            clock: The clock of the interval.

        Raises:
            TypeError: `every` is not a `timedelta`.
            ValueError: `size` is below 1 or above `bound`, or `every` is negative.
        """
        check_duration("every", every, may_be_zero=True)
        if not 1 <= size <= bound:
            msg = f"size must be from 1 to bound, but 1 <= {size} <= {bound} is false"
            raise ValueError(msg)
        self.progress = Progress()
        self._client = client
        self._work = work
        self._size = size
        self._every = every
        self._on_progress = on_progress
        self._clock = clock or SystemClock()
        self._waiting: deque[_Item[T]] = deque()
        self._busy: set[_Item[T]] = set()
        self._room = asyncio.Semaphore(bound)
        self._some = asyncio.Event()
        self._full = asyncio.Event()
        self._drained = asyncio.Event()
        self._is_closed = True
        self._has_begun = False
        self._stack = AsyncExitStack()

    @property
    def waiting(self) -> int:
        """The number of items that wait for their batch."""
        return len(self._waiting)

    async def put(self, target: Target, payload: T) -> "asyncio.Future[Delivery]":
        """Queue one item once there is room.

        You need not await the returned future: it never raises, and the item is processed anyway. A
        canceled `put` has queued nothing.

        Args:
            target: The activity.
            payload: The argument of `work`.

        Returns:
            A future of the item's outcome.

        Raises:
            RuntimeError: The batcher is closing, or its block has not started.
        """
        await self._room.acquire()
        if self._is_closed:
            self._room.release()
            msg = "the batcher accepts items only inside its block"
            raise RuntimeError(msg)
        delivery: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Item(freeze(target), payload, self._clock.monotonic(), delivery))
        self._note()
        return delivery

    async def __aenter__(self) -> Self:
        """Start processing.

        Raises:
            RuntimeError: The block has started before; create another batcher.
        """
        if self._has_begun:
            msg = "a batcher has one block, and it has started before; create another batcher"
            raise RuntimeError(msg)
        self._has_begun = True
        self._is_closed = False
        await self._stack.enter_async_context(run_services(self))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_closed = True
        self._note()
        try:
            if error is None or isinstance(error, Exception):
                await self._drained.wait()
        finally:
            try:
                await self._stack.__aexit__(kind, error, trace)
            finally:
                self._abandon_the_rest()

    async def run(self) -> None:
        """Process items until the batcher is closed and empty; the block runs this."""
        while batch := await self._gather():
            await self._work_off(batch)
        self._drained.set()

    def _abandon_the_rest(self) -> None:
        # `run` cannot do this: a task that is canceled before it starts never reaches its end.
        left = [*self._busy, *(self._take() for _ in range(len(self._waiting)))]
        for item in left:
            self._settle(item, Delivery(item.target, Ending.ABANDONED))

    async def _gather(self) -> list[_Item[T]]:
        await self._some.wait()
        if self._waiting:
            left = self._waiting[0].put_at + self._every - self._clock.monotonic()
            await wait_for_event(self._full, self._clock, at_most=max(left, timedelta(0)))
        batch = [self._take() for _ in range(min(self._size, len(self._waiting)))]
        self._note()
        return batch

    def _take(self) -> _Item[T]:
        item = self._waiting.popleft()
        self._busy.add(item)
        self._room.release()
        return item

    def _note(self) -> None:
        for event, is_so in (
            (self._some, self._is_closed or self._waiting),
            (self._full, self._is_closed or len(self._waiting) >= self._size),
        ):
            event.set() if is_so else event.clear()

    async def _work_off(self, batch: list[_Item[T]]) -> None:
        async with task_group() as group:
            crew = TaskPool(group, len(batch))
            for item in batch:
                crew.start(self._bring_to_an_end(item), name="an item of a batch")

    async def _bring_to_an_end(self, item: _Item[T]) -> None:
        self._settle(item, await self._deliver(item))
        if self._on_progress is not None:
            self._on_progress(self.progress)

    async def _deliver(self, item: _Item[T]) -> Delivery:
        done = await caught(self._worked(item.payload))
        if isinstance(done, _Done):
            error = await caught(self._client.complete(item.target, done.result))
            if error is None:
                return Delivery(item.target, Ending.COMPLETED)
            return Delivery(item.target, Ending.UNDELIVERED, error=error, result=done.result)
        error = await caught(fail_with_what_was_raised(self._client, item.target, done))
        ending = Ending.FAILED if error is None else Ending.UNDELIVERED
        return Delivery(item.target, ending, error=error, failure=done)

    async def _worked(self, payload: T) -> _Done:
        try:
            return _Done(await self._work(payload))
        except asyncio.CancelledError as exc:
            if is_being_canceled():
                raise
            raise RuntimeError(CANCELED_FROM_WITHIN) from exc

    def _settle(self, item: _Item[T], delivery: Delivery) -> None:
        self._busy.discard(item)
        self.progress = self.progress.after(delivery)
        # A caller that awaited it with a timeout has canceled it.
        if not item.delivery.done():
            item.delivery.set_result(delivery)
