"""Group commit: combine many single calls into few calls for many."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import cached_property
from typing import Final, Generic, TypeVar

from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.services import caught
from ringback.domain.errors import RetryableError, StoreUnavailableError

T = TypeVar("T")
R = TypeVar("R")

LARGEST: Final = 256
"""Maximum items per batch."""

HEAVIEST: Final = 2 * 1024 * 1024
"""Maximum bytes per batch: a commit has a timeout, and everyone in the batch waits for it."""

_ENOUGH: Final = 64
"""A batch of this size does not wait for more items."""

_STOPPING: Final = "the program is stopping"


class GroupCommit(Generic[T, R]):
    """Collects items during a commit, and commits them together next.

    A single item does not wait. Under load, the items share the cost of a commit.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        *,
        weigh: Callable[[T], int] = lambda _: 0,
        gather: Callable[[], Awaitable[None]] | None = None,
        kind: str = "",
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        """Collect items for `commit`, which gets at most `LARGEST` and returns a result for each.

        `weigh` returns the bytes of an item. `gather` is awaited before each commit, to let more
        items arrive. Each commit is reported to `hooks` as of this `kind`.
        """
        self._kind = kind
        self._hooks = hooks
        self._commit = commit
        self._weigh = weigh
        self._gather = gather
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._arrived = asyncio.Event()
        self._has_stopped = False

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        # Looking up the running loop is a system call, and every answer needs it.
        return asyncio.get_running_loop()

    async def submit(self, item: T) -> R:
        """Return the result for `item` once it is committed.

        Canceling the call does not withdraw the item: it may still be committed.

        Raises:
            StoreUnavailableError: The commit failed, or the program is stopping.
            Exception: Any other error that the commit raised for this item alone.
        """
        if self._has_stopped:
            msg = _STOPPING
            raise StoreUnavailableError(msg)
        result: asyncio.Future[R] = self._loop.create_future()
        self._waiting.append((item, result))
        self._arrived.set()
        return await result

    async def run(self) -> None:
        """Commit items until canceled; then reject those that wait."""
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                while self._waiting:
                    if self._gather is not None:
                        await self._gather()
                    await self._all_of_this_turn()
                    await self._commit_next()
        finally:
            self._has_stopped = True
            self._refuse(self._waiting, StoreUnavailableError(_STOPPING))

    async def _all_of_this_turn(self) -> None:
        """Wait until a turn of the loop brings no more items, which would wait for two commits."""
        seen = 0
        while seen < len(self._waiting) < _ENOUGH:
            seen = len(self._waiting)
            await asyncio.sleep(0)

    async def _commit_next(self) -> None:
        batch = list(self._take())
        try:
            await self._commit_batch(batch)
        finally:
            self._refuse(batch, StoreUnavailableError(_STOPPING))

    def _take(self) -> Iterator[tuple[T, "asyncio.Future[R]"]]:
        """Remove and yield the items of the next batch."""
        count = weight = 0
        while self._waiting and count < LARGEST:
            added = self._weigh(self._waiting[0][0])
            if count and weight + added > HEAVIEST:
                return
            count, weight = count + 1, weight + added
            yield self._waiting.popleft()

    async def _commit_batch(self, batch: Sequence[tuple[T, "asyncio.Future[R]"]]) -> None:
        began = self._loop.time()
        results = await caught(self._commit([item for item, _ in batch]))
        self._hooks.commit_ended(self._kind, len(batch), self._loop.time() - began)
        if not isinstance(results, Exception):
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)
        elif isinstance(results, RetryableError) or len(batch) == 1:
            self._refuse(batch, results)
        else:
            # An item that cannot be written must not fail the others.
            for entry in batch:
                await self._commit_batch([entry])

    def _refuse(
        self,
        batch: "Sequence[tuple[T, asyncio.Future[R]]] | deque[tuple[T, asyncio.Future[R]]]",
        error: Exception,
    ) -> None:
        for _, future in batch:
            if not future.done():
                future.set_exception(error)


def acknowledged(
    write: Callable[[Sequence[T]], Awaitable[None]],
) -> Callable[[Sequence[T]], Awaitable[Sequence[None]]]:
    """Adapt a `write` without a result to `GroupCommit`: each item gets `None`."""

    async def commit(items: Sequence[T]) -> Sequence[None]:
        await write(items)
        return [None] * len(items)

    return commit
