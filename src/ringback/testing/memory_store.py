"""The store in memory."""

from collections.abc import Callable, Sequence
from itertools import islice

from ringback.domain.callback import Callback, State
from ringback.domain.event import Event
from ringback.domain.ids import CallbackId
from ringback.testing.memory.callbacks import MemoryCallbacks
from ringback.testing.memory.deadlines import MemoryDeadlines
from ringback.testing.memory.deliveries import MemoryDeliveries


class MemoryStore(MemoryCallbacks, MemoryDeliveries, MemoryDeadlines):
    """All ports of `ringback.ports.store` in memory.

    It keeps nothing when the process ends and tells other processes nothing; all else is as the
    ports promise.

    Attributes:
        is_available: Set it to false and every call raises `StoreUnavailableError`.
    """

    async def page(
        self, *, states: frozenset[State], after: CallbackId | None, limit: int
    ) -> Sequence[Callback]:
        """See `CallbackIndex.page`."""
        self._now()
        found = (
            callback
            for id_, callback in sorted(self._callbacks.items())
            if callback.state in states and id_ > (after or "")
        )
        return list(islice(found, limit))

    async def events(self, callback_id: CallbackId) -> Sequence[Event]:
        """See `CallbackIndex.events`."""
        self._now()
        return [event for event in self._events if event.callback_id == callback_id]

    async def follow(
        self,
        *,
        on_accepted: Callable[[], None],
        on_settled: Callable[[Sequence[CallbackId]], None],
    ) -> None:
        """See `News.follow`; nobody else has this store."""
