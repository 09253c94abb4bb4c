"""Claim loop: claim items that are due, and process each in a task of its own."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from functools import partial
from typing import Final, Generic, TypeVar

from ringback.core.services import OutageLog, TaskPool, caught, task_group, wait_for_event
from ringback.ports.clock import Clock

logger = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST_REST: Final = timedelta(seconds=1)
"""The longest time until an item of another process is noticed."""


class ClaimLoop(Generic[T]):
    """Claims items that are due, and processes each in a task of its own.

    An item belongs to a group, such as the origin of a webhook. A group has only its own slots, so
    that a slow one does not block the others.
    """

    def __init__(
        self,
        process: Callable[[T], Coroutine[object, object, None]],
        *,
        what: str,
        claim: Callable[[int, Sequence[str]], Awaitable[Sequence[T]]],
        until_due: Callable[[], Awaitable[timedelta | None]],
        describe: Callable[[T], str],
        to_group: Callable[[T], str],
        slots: int,
        group_slots: int,
        clock: Clock,
    ) -> None:
        """Run `process` for each item.

        Args:
            process: Ends an item, or postpones it.
            what: The items, for the log.
            claim: Claims at most as many items as its first argument says, and none of the groups
                in its second.
            until_due: Returns when the next item is due, or `None`.
            describe: Names an item in the log.
            to_group: Returns the group of an item.
            slots: Maximum items in progress.
            group_slots: Maximum items of one group in progress.
            clock: The clock.
        """
        self._process = process
        self._claim = claim
        self._until_due = until_due
        self._describe = describe
        self._to_group = to_group
        self._slots = slots
        self._group_slots = group_slots
        self._clock = clock
        self._changed = asyncio.Event()
        self._busy: Counter[str] = Counter()
        self._outages = OutageLog(logger, f"claim {what}")

    def wake(self) -> None:
        """Claim soon: an item may be due."""
        self._changed.set()

    async def run(self) -> None:
        """Process items until canceled; then other processes claim what was in progress."""
        async with task_group() as group:
            pool = TaskPool(group, self._slots)
            while True:
                self._changed.clear()
                if not await self._has_started_some(pool):
                    rest = await self._rest(pool)
                    await wait_for_event(self._changed, self._clock, at_most=rest)

    async def _has_started_some(self, pool: TaskPool) -> bool:
        if pool.free == 0:
            return False
        due = await caught(self._claim(self._room(pool), self._full))
        self._outages.record(due)
        if isinstance(due, Exception):
            return False
        for item in due:
            group = self._to_group(item)
            self._busy[group] += 1
            task = pool.start(self._process(item), name=self._describe(item))
            task.add_done_callback(partial(self._finish, group))
        return bool(due)

    @property
    def _full(self) -> list[str]:
        return [group for group, count in self._busy.items() if count >= self._group_slots]

    def _room(self, pool: TaskPool) -> int:
        """Return how many may be claimed even if all of them belong to the same group."""
        others = [count for count in self._busy.values() if count < self._group_slots]
        return min(pool.free, self._group_slots - max(others, default=0))

    def _finish(self, group: str, _: asyncio.Task[None]) -> None:
        self._busy[group] -= 1
        if not self._busy[group]:
            del self._busy[group]
        self._changed.set()

    async def _rest(self, pool: TaskPool) -> timedelta:
        # Items that are due may belong to a group without a free slot.
        if pool.free == 0 or self._full or self._outages.lasts:
            return LONGEST_REST
        until_due = await caught(self._until_due())
        if not until_due or isinstance(until_due, Exception):
            # What is due but was not claimed is claimed by another process, and has changed since.
            return LONGEST_REST
        return min(until_due, LONGEST_REST)
