"""Group commit: many single calls become few calls for many."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import cached_property
from typing import Final, Generic, TypeVar

from ringback.core.services import caught
from ringback.domain.errors import RetryableError, StoreUnavailableError

T = TypeVar("T")
R = TypeVar("R")

LARGEST: Final = 256
"""So many items are committed together, at most."""

HEAVIEST: Final = 4 * 1024 * 1024
"""With so many bytes a commit takes no more items: it has a timeout, and others wait for it."""

_ENOUGH: Final = 64
"""For so many a commit does not wait for more."""

_STOPPING: Final = "the program is stopping"


class GroupCommit(Generic[T, R]):
    """Gathers items while a commit is under way, and commits them together next.

    A lone item waits for nothing, and under load the cost of a commit is shared by all who came
    meanwhile.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        *,
        weigh: Callable[[T], int] = lambda _: 0,
        gather: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Gather for `commit`, which gets at most `LARGEST` items and returns a result for each.

        Where items may be large, `weigh` returns how many bytes one has. Where more are expected,
        `gather` is awaited before a commit.
        """
        self._commit = commit
        self._weigh = weigh
        self._gather = gather
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._arrived = asyncio.Event()
        self._has_stopped = False

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        # To ask which one runs is a system call, and every answer comes by here.
        return asyncio.get_running_loop()

    async def submit(self, item: T) -> R:
        """Return the result for `item` once it is committed.

        A caller that is canceled meanwhile takes nothing back: the item may still be committed.

        Raises:
            StoreUnavailableError: The commit did not happen, or the program is stopping.
            Exception: What else the commit raised for this item alone.
        """
        if self._has_stopped:
            msg = _STOPPING
            raise StoreUnavailableError(msg)
        result: asyncio.Future[R] = self._loop.create_future()
        self._waiting.append((item, result))
        self._arrived.set()
        return await result

    async def run(self) -> None:
        """Commit what is submitted, until canceled; then refuse what still waits."""
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
        """Return when a turn of the loop brought no more: who comes just behind waits twice."""
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
        """Yield what is committed next, and forget it."""
        count = weight = 0
        while self._waiting and count < LARGEST and weight < HEAVIEST:
            entry = self._waiting.popleft()
            count, weight = count + 1, weight + self._weigh(entry[0])
            yield entry

    async def _commit_batch(self, batch: Sequence[tuple[T, "asyncio.Future[R]"]]) -> None:
        results = await caught(self._commit([item for item, _ in batch]))
        if not isinstance(results, Exception):
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)
        elif isinstance(results, RetryableError) or len(batch) == 1:
            self._refuse(batch, results)
        else:
            # One item that cannot be written must not take the others down with it.
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
    """Make a `write` that returns nothing fit for `GroupCommit`: each item gets its `None`."""

    async def commit(items: Sequence[T]) -> Sequence[None]:
        await write(items)
        return [None] * len(items)

    return commit
