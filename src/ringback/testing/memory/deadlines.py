"""Keeping deadlines, in memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ringback.domain.callback import Callback, State
from ringback.domain.event import EventKind
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.ports.deadlines import Extension
from ringback.ports.store import Answer
from ringback.testing.memory.shelf import Shelf


class MemoryDeadlines(Shelf):
    """`Deadlines` in memory."""

    async def observe(self, timeouts: Mapping[CallbackId, datetime | None]) -> None:
        """See `Deadlines.observe`."""
        self._now()
        for id_, timeout_at in timeouts.items():
            callback = self._find_in_state(id_, State.OPEN)
            if callback is not None:
                self._put(replace(callback, timeout_at=timeout_at))

    async def extend(self, callback_id: CallbackId, within: timedelta) -> Extension:
        """See `Deadlines.extend`."""
        now = self._now()
        callback = self._callbacks.get(callback_id)
        if callback is None or callback.state is not State.OPEN or callback.answer_by is None:
            return Extension(callback, was_extended=False)
        self._record(callback_id, EventKind.EXTENDED, {"until": (now + within).isoformat()})
        later = self._put(replace(callback, answer_by=now + within))
        return Extension(later, was_extended=True)

    async def due_defaults(self, *, limit: int) -> Sequence[Callback]:
        """See `Deadlines.due_defaults`."""
        now = self._now()
        due = sorted((at, callback.id) for callback, at in self._awaited() if at <= now)
        return [self._callbacks[id_] for _, id_ in due[:limit]]

    async def take_defaults(
        self, callback_ids: Sequence[CallbackId], new_outcome_id: Callable[[], OutcomeId]
    ) -> Sequence[CallbackId]:
        """See `Deadlines.take_defaults`."""
        now = self._now()
        due = {callback.id: callback for callback, at in self._awaited() if at <= now}
        taken = [due[id_] for id_ in dict.fromkeys(callback_ids) if id_ in due]
        for callback in taken:
            answer = Answer(callback.id, new_outcome_id(), callback.default_answer)
            self._accept(callback, answer, is_default=True)
        return [callback.id for callback in taken]

    async def are_overdue(self, callback_ids: Sequence[CallbackId]) -> frozenset[CallbackId]:
        """See `Deadlines.are_overdue`."""
        now = self._now()
        found = [self._callbacks[id_] for id_ in callback_ids if id_ in self._callbacks]
        return frozenset(one.id for one in found if _is_overdue(one, now))

    async def next_default(self) -> timedelta | None:
        """See `Deadlines.next_default`."""
        now = self._now()
        return min((max(timedelta(0), at - now) for _, at in self._awaited()), default=None)

    def _awaited(self) -> Sequence[tuple[Callback, datetime]]:
        return [
            (callback, callback.default_due_at)
            for callback in self._in_state(State.OPEN)
            if callback.default_due_at is not None
        ]

    async def overdue(self, *, limit: int) -> Sequence[Callback]:
        """See `CallbackIndex.overdue`."""
        now = self._now()
        over = [one for one in self._in_state(State.OPEN) if _is_overdue(one, now)]
        return sorted(over, key=lambda callback: (callback.deadline_at, callback.id))[:limit]


def _is_overdue(callback: Callback, now: datetime) -> bool:
    return callback.deadline_at is not None and callback.deadline_at <= now
