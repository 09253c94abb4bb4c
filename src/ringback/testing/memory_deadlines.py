"""Keeping deadlines, in memory."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.event import EventKind
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.ports.store import Extension
from ringback.testing.memory_state import MemoryState


class MemoryDeadlines(MemoryState):
    """`Deadlines` in memory."""

    async def observe(self, timeouts: Mapping[CallbackId, datetime | None]) -> None:
        """See `Deadlines.observe`."""
        self._check_available()
        for id_, timeout_at in timeouts.items():
            callback = self._callbacks.get(id_)
            if callback is not None and callback.state is State.OPEN:
                self._put(replace(callback, timeout_at=timeout_at))

    async def extend(self, callback_id: CallbackId, within: timedelta) -> Extension:
        """See `Deadlines.extend`."""
        self._check_available()
        callback = self._callbacks.get(callback_id)
        if callback is None or callback.state is not State.OPEN or callback.answer_by is None:
            return Extension(callback, was_extended=False)
        until = self._clock.now() + within
        self._record(callback_id, EventKind.EXTENDED, {"until": until.isoformat()})
        return Extension(self._put(replace(callback, answer_by=until)), was_extended=True)

    async def due_defaults(self, *, limit: int) -> Sequence[Callback]:
        """See `Deadlines.due_defaults`."""
        self._check_available()
        now = self._clock.now()
        due = sorted((at, callback.id) for at, callback in self._defaults() if at <= now)
        return [self._callbacks[id_] for _, id_ in due[:limit]]

    async def take_defaults(
        self, callback_ids: Sequence[CallbackId], new_outcome_id: Callable[[], OutcomeId]
    ) -> Sequence[CallbackId]:
        """See `Deadlines.take_defaults`."""
        self._check_available()
        now = self._clock.now()
        wanted = set(callback_ids)
        due = [one for at, one in self._defaults() if at <= now and one.id in wanted]
        for callback in due:
            assert callback.on_deadline is not None, "it has a default answer"
            default = Accepted(new_outcome_id(), callback.on_deadline, now, is_default=True)
            self._take(callback, default, by="deadline")
        return [callback.id for callback in due]

    async def are_overdue(self, callback_ids: Sequence[CallbackId]) -> frozenset[CallbackId]:
        """See `Deadlines.are_overdue`."""
        self._check_available()
        found = [self._callbacks[id_] for id_ in callback_ids if id_ in self._callbacks]
        return frozenset(callback.id for callback in found if self._is_overdue(callback))

    async def next_default(self) -> timedelta | None:
        """See `Deadlines.next_default`."""
        self._check_available()
        due = [at for at, _ in self._defaults()]
        return max(timedelta(0), min(due) - self._clock.now()) if due else None

    def _defaults(self) -> Iterable[tuple[datetime, Callback]]:
        for callback in self._callbacks.values():
            due_at = callback.default_due_at
            if callback.state is State.OPEN and due_at is not None:
                yield due_at, callback

    def _is_overdue(self, callback: Callback) -> bool:
        at = callback.deadline_at
        return callback.state is State.OPEN and at is not None and at <= self._clock.now()
