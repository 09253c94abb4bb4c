"""The store in memory."""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice

from ringback.domain.callback import Callback, State
from ringback.domain.event import Event
from ringback.domain.ids import CallbackId
from ringback.testing.memory_callbacks import MemoryCallbacks
from ringback.testing.memory_deadlines import MemoryDeadlines
from ringback.testing.memory_queue import MemoryQueue


class MemoryStore(MemoryCallbacks, MemoryQueue, MemoryDeadlines):
    """All that `ringback.ports.store` asks for, in memory.

    It keeps nothing when the process ends; all else is as the ports promise.
    """

    async def page(
        self, *, states: frozenset[State], after: CallbackId | None, limit: int
    ) -> Sequence[Callback]:
        """See `CallbackIndex.page`."""
        self._check_available()
        found = (
            callback
            for id_, callback in sorted(self._callbacks.items())
            if callback.state in states and id_ > (after or "")
        )
        return list(islice(found, limit))

    async def overdue(self, *, limit: int) -> Sequence[Callback]:
        """See `CallbackIndex.overdue`."""
        self._check_available()
        late = [one for one in self._callbacks.values() if self._is_overdue(one)]
        return sorted(late, key=_deadline_at)[:limit]

    async def events(self, callback_id: CallbackId) -> Sequence[Event]:
        """See `CallbackIndex.events`."""
        self._check_available()
        return [event for event in self._events if event.callback_id == callback_id]

    async def follow(
        self,
        *,
        on_accepted: Callable[[], None],
        on_settled: Callable[[Sequence[CallbackId]], None],
    ) -> None:
        """See `News.follow`: no other process uses this store."""


def _deadline_at(callback: Callback) -> tuple[datetime, CallbackId]:
    assert callback.deadline_at is not None, "what is overdue has a deadline"
    return callback.deadline_at, callback.id
