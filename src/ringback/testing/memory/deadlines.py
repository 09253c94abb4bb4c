"""Keeping deadlines, in memory."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ringback.domain.callback import Callback, State
from ringback.domain.event import EventKind, named
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.outcome import KINDS, Canceled, Outcome, from_parts, to_fields
from ringback.ports.deadlines import Extension
from ringback.ports.store import Answer
from ringback.testing.memory.shelf import Shelf


class MemoryDeadlines(Shelf):
    """`Deadlines` in memory."""

    async def extend(
        self, callback_id: CallbackId, within: timedelta, *, by: str | None = None
    ) -> Extension:
        """See `Deadlines.extend`."""
        now = self._now()
        callback = self._callbacks.get(callback_id)
        if callback is None or callback.state is not State.OPEN or callback.answer_by is None:
            return Extension(callback, was_extended=False)
        facts = {"until": (now + within).isoformat(), **named(by)}
        self._record(callback_id, EventKind.EXTENDED, facts)
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
        return frozenset(one.id for one in found if is_overdue(one, now))

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
        over = [one for one in self._in_state(State.OPEN) if is_overdue(one, now)]
        over.sort(key=lambda callback: (callback.deadline_at, callback.id))
        return [listed(callback) for callback in over[:limit]]


def listed(callback: Callback) -> Callback:
    """Return what a list shows of `callback`."""
    vitals = replace(callback.vitals, details=None)
    shown = replace(callback, task_token=None, vitals=vitals)
    if shown.accepted is not None:
        outcome = _without_body(shown.accepted.outcome)
        shown = replace(shown, accepted=replace(shown.accepted, outcome=outcome))
    if shown.on_deadline is not None:
        on_deadline = _without_body(shown.on_deadline)
        assert not isinstance(on_deadline, Canceled), "no default answer reports a cancellation"
        shown = replace(shown, on_deadline=on_deadline)
    return shown


def _without_body(outcome: Outcome) -> Outcome:
    return from_parts(KINDS[type(outcome)], None, to_fields(outcome))


def is_overdue(callback: Callback, now: datetime) -> bool:
    """Tell whether the deadline of `callback` has passed."""
    return callback.deadline_at is not None and callback.deadline_at <= now
