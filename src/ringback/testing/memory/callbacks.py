"""Asking and answering, in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ringback.domain.asking import Wish
from ringback.domain.callback import ActivityExecution, Callback, State
from ringback.domain.event import EventKind
from ringback.domain.ids import CallbackId, schema_id
from ringback.domain.outcome import KINDS, body_of, to_fields
from ringback.domain.terms import terms_of
from ringback.ports.clock import Clock
from ringback.ports.store import (
    EVIDENCE_BYTES,
    EVIDENCE_KEPT,
    Acceptance,
    Answer,
    Expiry,
    Fits,
    NotTaken,
    Won,
)
from ringback.store.asking import ask
from ringback.store.care import FIRST_LOOK, Care
from ringback.testing.memory.shelf import Shelf


class MemoryCallbacks(Shelf):
    """`CallbackStore` in memory."""

    def __init__(self, clock: Clock) -> None:
        """Date everything by `clock`."""
        super().__init__(clock)
        self._latest: dict[ActivityExecution, CallbackId] = {}
        self._schemas: dict[str, str] = {}

    async def open(self, wishes: Sequence[Wish]) -> Sequence[Callback]:
        """See `CallbackStore.open`."""
        return [self._open(wish) for wish in wishes]

    def _open(self, wish: Wish) -> Callback:
        key = replace(wish.ref, run_id="") if wish.follows_reset else wish.ref
        found = self._latest.get(key)
        now = self._now()
        asked = ask(None if found is None else self._callbacks[found], wish, now)
        for callback in asked.changed:
            self._put(callback)
            # What was claimed, or told, was of the attempt before.
            self._cares[callback.id] = Care(look_due_at=now + FIRST_LOOK)
        for event in asked.happened:
            self._record_event(event)
        self._latest[key] = asked.callback.id
        if wish.result_schema is not None:
            self._schemas[schema_id(wish.result_schema)] = wish.result_schema
        return asked.callback

    async def mark_submitted(self, callback_ids: Sequence[CallbackId]) -> None:
        """See `CallbackStore.mark_submitted`."""
        now = self._now()
        for id_ in callback_ids:
            callback = self._callbacks.get(id_)
            if callback is not None and callback.submitted_at is None:
                self._put(replace(callback, submitted_at=now))
                self._record(id_, EventKind.SUBMITTED, {})

    async def accept(self, answers: Sequence[Answer], fits: Fits) -> Sequence[Acceptance]:
        """See `CallbackStore.accept`."""
        self._now()
        return [self._accept_given(answer, fits) for answer in answers]

    def _accept_given(self, answer: Answer, fits: Fits) -> Acceptance:
        callback = self._callbacks.get(answer.callback_id)
        if not fits(answer, None if callback is None else terms_of(callback)):
            return NotTaken(None)
        if callback is None or callback.state is not State.OPEN:
            return NotTaken(callback)
        return Won(self._accept(callback, answer, is_default=False))

    async def keep_evidence(self, answers: Sequence[Answer]) -> None:
        """See `CallbackStore.keep_evidence`."""
        self._now()
        for answer in answers:
            if self._has_room_for_evidence(answer.callback_id):
                body = (body_of(answer.outcome) or b"")[:EVIDENCE_BYTES]
                facts: dict[str, object] = {
                    "kind": KINDS[type(answer.outcome)],
                    **to_fields(answer.outcome),
                    "body": body.decode("utf-8", "replace"),
                }
                self._record(answer.callback_id, EventKind.ANSWERED_DIFFERENTLY, facts)

    def _has_room_for_evidence(self, callback_id: CallbackId) -> bool:
        wanted = (callback_id, EventKind.ANSWERED_DIFFERENTLY)
        kept = sum((event.callback_id, event.kind) == wanted for event in self._events)
        return callback_id in self._callbacks and kept < EVIDENCE_KEPT

    async def expire(self, expiries: Sequence[Expiry]) -> None:
        """See `CallbackStore.expire`."""
        now = self._now()
        for one in expiries:
            callback = self._find_in_state(one.callback_id, State.OPEN)
            if callback is not None and callback.attempt_started_at == one.attempt_started_at:
                over = callback.move(State.EXPIRED)
                self._put(replace(over, expired_at=now, expired_because=one.reason))
                self._record(callback.id, EventKind.EXPIRED, {"reason": one.reason})

    async def find(self, callback_ids: Sequence[CallbackId]) -> Mapping[CallbackId, Callback]:
        """See `CallbackStore.find`."""
        self._now()
        return {id_: self._callbacks[id_] for id_ in callback_ids if id_ in self._callbacks}

    async def schemas(self, schema_ids: Sequence[str]) -> Mapping[str, str]:
        """See `CallbackStore.schemas`."""
        self._now()
        return {id_: self._schemas[id_] for id_ in schema_ids if id_ in self._schemas}
