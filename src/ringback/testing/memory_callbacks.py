"""Asking and answering, in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ringback.domain.callback import Accepted, Callback, State, Wish, asks_again, asks_anew
from ringback.domain.event import EventKind
from ringback.domain.ids import CallbackId, schema_id
from ringback.domain.outcome import KINDS, body_of, to_fields
from ringback.ports.store import (
    ASKED_ANEW,
    EVIDENCE_BYTES,
    EVIDENCE_KEPT,
    Acceptance,
    Answer,
    NotTaken,
    Won,
)
from ringback.testing.memory_state import Key, MemoryState


class MemoryCallbacks(MemoryState):
    """`CallbackStore` in memory."""

    async def open(self, wishes: Sequence[Wish]) -> Sequence[Callback]:
        """See `CallbackStore.open`."""
        self._check_available()
        return [self._open(wish) for wish in wishes]

    def _open(self, wish: Wish) -> Callback:
        key = _key(wish)
        found = self._latest.get(key)
        latest = None if found is None else self._callbacks[found]
        if latest is None:
            return self._make(key, wish, 1)
        if asks_anew(latest, wish):
            self._expire(latest.id, ASKED_ANEW)
            return self._make(key, wish, latest.round + 1)
        if asks_again(latest, wish):
            self._record(latest.id, EventKind.ASKED_AGAIN, {"attempt": wish.attempt})
            return self._put(
                replace(
                    latest,
                    ref=wish.ref,
                    attempt=wish.attempt,
                    attempt_started_at=wish.attempt_started_at,
                    task_token=wish.task_token,
                    timeout_at=wish.timeout_at,
                )
            )
        return latest

    def _make(self, key: Key, wish: Wish, round_: int) -> Callback:
        self._latest[key] = wish.id
        self._record(wish.id, EventKind.OPENED, {"attempt": wish.attempt})
        now = self._clock.now()
        schema = wish.result_schema
        if schema is not None:
            self._schemas[schema_id(schema)] = schema
        return self._put(
            Callback(
                id=wish.id,
                ref=wish.ref,
                round=round_,
                state=State.OPEN,
                workflow_type=wish.workflow_type,
                activity_type=wish.activity_type,
                task_queue=wish.task_queue,
                attempt=wish.attempt,
                attempt_started_at=wish.attempt_started_at,
                task_token=wish.task_token,
                opened_at=now,
                submitted_at=None,
                timeout_at=wish.timeout_at,
                answer_by=None if wish.answer_within is None else now + wish.answer_within,
                on_deadline=wish.on_deadline,
                attempts=wish.attempts,
                follows_reset=wish.follows_reset,
                schema_id=None if schema is None else schema_id(schema),
                expired_at=None,
                expired_because=None,
                verbs=wish.verbs,
                key_id=wish.key_id,
                link_expires_at=wish.link_expires_at,
            )
        )

    async def mark_submitted(self, callback_ids: Sequence[CallbackId]) -> None:
        """See `CallbackStore.mark_submitted`."""
        self._check_available()
        for id_ in callback_ids:
            callback = self._callbacks.get(id_)
            if callback is not None and callback.submitted_at is None:
                self._put(replace(callback, submitted_at=self._clock.now()))
                self._record(id_, EventKind.SUBMITTED, {})

    async def accept(self, answers: Sequence[Answer]) -> Sequence[Acceptance]:
        """See `CallbackStore.accept`."""
        self._check_available()
        return [self._accept(answer) for answer in answers]

    def _accept(self, answer: Answer) -> Acceptance:
        callback = self._callbacks.get(answer.callback_id)
        if callback is None or callback.state is not State.OPEN:
            return NotTaken(callback)
        now = self._clock.now()
        self._take(callback, Accepted(answer.id, answer.outcome, now))
        return Won(now)

    async def keep_evidence(self, answers: Sequence[Answer]) -> None:
        """See `CallbackStore.keep_evidence`."""
        self._check_available()
        for answer in answers:
            if self._count(answer.callback_id, EventKind.ANSWERED_DIFFERENTLY) < EVIDENCE_KEPT:
                body = (body_of(answer.outcome) or b"")[:EVIDENCE_BYTES]
                facts: dict[str, object] = {
                    "kind": KINDS[type(answer.outcome)],
                    **to_fields(answer.outcome),
                    "body": body.decode("utf-8", "replace"),
                }
                self._record(answer.callback_id, EventKind.ANSWERED_DIFFERENTLY, facts)

    def _count(self, callback_id: CallbackId, kind: EventKind) -> int:
        return sum((event.callback_id, event.kind) == (callback_id, kind) for event in self._events)

    async def expire(self, reasons: Mapping[CallbackId, str]) -> None:
        """See `CallbackStore.expire`."""
        self._check_available()
        for id_, reason in reasons.items():
            self._expire(id_, reason)

    async def find(self, callback_ids: Sequence[CallbackId]) -> Mapping[CallbackId, Callback]:
        """See `CallbackStore.find`."""
        self._check_available()
        return {id_: self._callbacks[id_] for id_ in callback_ids if id_ in self._callbacks}

    async def schemas(self, schema_ids: Sequence[str]) -> Mapping[str, str]:
        """See `CallbackStore.schemas`."""
        self._check_available()
        return {id_: self._schemas[id_] for id_ in schema_ids if id_ in self._schemas}


def _key(wish: Wish) -> Key:
    ref = wish.ref
    run_id = None if wish.follows_reset else ref.run_id
    return ref.namespace, ref.workflow_id, run_id, ref.activity_id, ref.scheduled_at
