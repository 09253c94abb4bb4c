"""The store in memory."""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice

from ringback.domain.callback import Callback, State
from ringback.domain.event import Event
from ringback.domain.ids import CallbackId
from ringback.domain.query import Query
from ringback.testing.memory.callbacks import MemoryCallbacks
from ringback.testing.memory.deadlines import MemoryDeadlines, is_overdue, listed
from ringback.testing.memory.deliveries import MemoryDeliveries
from ringback.testing.memory.keeping import MemoryKeeping
from ringback.testing.memory.keys import MemoryKeys
from ringback.testing.memory.links import MemoryLinks
from ringback.testing.memory.notices import MemoryNotices


class MemoryStore(
    MemoryCallbacks,
    MemoryDeliveries,
    MemoryDeadlines,
    MemoryKeeping,
    MemoryNotices,
    MemoryLinks,
    MemoryKeys,
):
    """All ports of `ringback.ports.store` in memory.

    It keeps nothing when the process ends and tells other processes nothing; all else is as the
    ports promise.

    Attributes:
        is_available: Set it to false and every call raises `StoreUnavailableError`.
    """

    async def page(
        self, query: Query, *, after: CallbackId | None, limit: int
    ) -> Sequence[Callback]:
        """See `CallbackIndex.page`."""
        now = self._now()
        found = (
            callback
            for id_, callback in sorted(self._callbacks.items())
            if id_ > (after or "") and _is_asked_for(callback, query, now)
        )
        return [listed(callback) for callback in islice(found, limit)]

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


def _is_asked_for(callback: Callback, query: Query, now: datetime) -> bool:
    opened_at, before = callback.opened_at, query.opened_before
    wanted = [
        (query.workflow_id, callback.ref.workflow_id),
        (query.workflow_type, callback.workflow_type),
        (query.activity_type, callback.activity_type),
    ]
    return (
        callback.state in query.states
        and all(value is None or value == found for value, found in wanted)
        and (query.tag is None or query.tag in callback.about.tags)
        and (query.opened_after is None or opened_at >= query.opened_after)
        and (before is None or opened_at < before)
        and (query.older_than is None or opened_at <= now - query.older_than)
        and (not query.is_overdue or (callback.state is State.OPEN and is_overdue(callback, now)))
    )
