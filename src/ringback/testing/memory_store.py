"""The store in memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from ringback.domain.callback import (
    Accepted,
    ActivityRef,
    Callback,
    State,
    Wish,
    asks_anew,
)
from ringback.domain.errors import StoreUnavailableError
from ringback.domain.event import Event, EventKind
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import KINDS, body_of, to_fields
from ringback.ports.clock import Clock
from ringback.ports.store import (
    EVIDENCE_BYTES,
    EVIDENCE_KEPT,
    Acceptance,
    Answer,
    NotTaken,
    Postponement,
    Settlement,
    Won,
)


@dataclass(frozen=True, slots=True)
class _Claim:
    due_at: datetime
    owner: str | None


class MemoryStore:
    """`CallbackStore`, `DeliveryQueue` and `CallbackIndex` in memory.

    It keeps nothing when the process ends; all else is as the port promises.

    Attributes:
        is_available: Set it to false and every call raises `StoreUnavailableError`.
    """

    def __init__(self, clock: Clock) -> None:
        """Date everything by `clock`."""
        self.is_available = True
        self._clock = clock
        self._latest: dict[ActivityRef, CallbackId] = {}
        self._callbacks: dict[CallbackId, Callback] = {}
        self._claims: dict[CallbackId, _Claim] = {}
        self._events: list[Event] = []

    async def open(self, wishes: Sequence[Wish]) -> Sequence[Callback]:
        """See `CallbackStore.open`."""
        self._check_available()
        return [self._open(wish) for wish in wishes]

    def _open(self, wish: Wish) -> Callback:
        found = self._latest.get(wish.ref)
        latest = None if found is None else self._callbacks[found]
        if latest is None or asks_anew(latest):
            return self._make(wish, 1 if latest is None else latest.round + 1)
        if latest.attempt < wish.attempt:
            self._record(latest.id, EventKind.ASKED_AGAIN, {"attempt": wish.attempt})
            return self._put(replace(latest, attempt=wish.attempt, deadline_at=wish.deadline_at))
        return latest

    def _make(self, wish: Wish, round_: int) -> Callback:
        self._latest[wish.ref] = wish.id
        self._record(wish.id, EventKind.OPENED, {"attempt": wish.attempt})
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
                opened_at=self._clock.now(),
                submitted_at=None,
                deadline_at=wish.deadline_at,
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
        accepted = Accepted(answer.id, answer.outcome, now)
        self._put(replace(callback.move(State.ACCEPTED), accepted=accepted))
        self._claims[callback.id] = _Claim(now, None)
        facts: dict[str, object] = {"kind": KINDS[type(answer.outcome)], "outcome": answer.id}
        self._record(callback.id, EventKind.ACCEPTED, facts)
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

    async def hand_over(
        self, callback_id: CallbackId, *, worker: str, attempt: int, lease: timedelta
    ) -> bool:
        """See `CallbackStore.hand_over`."""
        self._check_available()
        callback, now = self._callbacks.get(callback_id), self._clock.now()
        accepted = None if callback is None else callback.accepted
        if (
            callback is None
            or accepted is None
            or callback.state not in {State.ACCEPTED, State.PARKED}
        ):
            return False
        claim = self._claims[callback_id]
        is_an_earlier_attempt_s = claim.owner == accepted.handed_to and attempt > (
            accepted.handed_attempt or attempt
        )
        if claim.owner is not None and claim.due_at > now and not is_an_earlier_attempt_s:
            return False
        handed = replace(accepted, handed_to=worker, handed_attempt=attempt)
        self._put(replace(callback, state=State.ACCEPTED, accepted=handed))
        self._claims[callback_id] = _Claim(now + lease, worker)
        self._record(callback_id, EventKind.HANDED_OVER, {"worker": worker, "attempt": attempt})
        return True

    async def expire(self, reasons: Mapping[CallbackId, str]) -> None:
        """See `CallbackStore.expire`."""
        self._check_available()
        for id_, reason in reasons.items():
            callback = self._callbacks.get(id_)
            if callback is not None and callback.state is State.OPEN:
                over = callback.move(State.EXPIRED)
                self._put(replace(over, expired_at=self._clock.now(), expired_because=reason))
                self._record(id_, EventKind.EXPIRED, {"reason": reason})

    async def find(self, callback_ids: Sequence[CallbackId]) -> Mapping[CallbackId, Callback]:
        """See `CallbackStore.find`."""
        self._check_available()
        return {id_: self._callbacks[id_] for id_ in callback_ids if id_ in self._callbacks}

    async def claim(self, owner: str, *, limit: int, lease: timedelta) -> Sequence[Callback]:
        """See `DeliveryQueue.claim`."""
        self._check_available()
        now = self._clock.now()
        due = [callback for callback in self._waiting() if self._claims[callback.id].due_at <= now]
        claimed = sorted(due, key=lambda callback: self._claims[callback.id].due_at)[:limit]
        for callback in claimed:
            self._claims[callback.id] = _Claim(now + lease, owner)
        return [self._count_try(callback) for callback in claimed]

    def _count_try(self, callback: Callback) -> Callback:
        accepted = _accepted(callback)
        return self._put(replace(callback, accepted=replace(accepted, tries=accepted.tries + 1)))

    async def release(self, owner: str) -> None:
        """See `DeliveryQueue.release`."""
        self._check_available()
        for callback in self._waiting():
            if self._claims[callback.id].owner == owner:
                self._claims[callback.id] = _Claim(self._clock.now(), None)

    async def postpone(self, postponements: Sequence[Postponement]) -> None:
        """See `DeliveryQueue.postpone`."""
        self._check_available()
        for item in postponements:
            callback = self._callbacks.get(item.callback_id)
            if callback is not None and callback.state is State.ACCEPTED:
                troubled = replace(_accepted(callback), trouble=item.reason)
                self._put(replace(callback, accepted=troubled))
                self._claims[callback.id] = _Claim(self._clock.now() + item.wait, None)

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """See `DeliveryQueue.settle`."""
        self._check_available()
        for item in settlements:
            callback = self._callbacks.get(item.callback_id)
            if callback is not None and callback.state is State.ACCEPTED:
                settled = replace(
                    _accepted(callback), verdict_at=self._clock.now(), proof=item.proof
                )
                self._put(replace(callback.move(item.verdict), accepted=settled))
                self._claims[callback.id] = _Claim(self._clock.now(), None)
                self._record(callback.id, EventKind(item.verdict.value), item.proof)

    async def next_due(self) -> timedelta | None:
        """See `DeliveryQueue.next_due`."""
        self._check_available()
        due = [self._claims[callback.id].due_at for callback in self._waiting()]
        return max(timedelta(0), min(due) - self._clock.now()) if due else None

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

    async def events(self, callback_id: CallbackId) -> Sequence[Event]:
        """See `CallbackIndex.events`."""
        self._check_available()
        return [event for event in self._events if event.callback_id == callback_id]

    def _check_available(self) -> None:
        if not self.is_available:
            msg = "the memory store was switched off"
            raise StoreUnavailableError(msg)

    def _put(self, callback: Callback) -> Callback:
        self._callbacks[callback.id] = callback
        return callback

    def _record(self, callback_id: CallbackId, kind: EventKind, facts: dict[str, object]) -> None:
        self._events.append(Event(callback_id, self._clock.now(), kind, facts))

    def _waiting(self) -> Iterable[Callback]:
        return [found for found in self._callbacks.values() if found.state is State.ACCEPTED]


def _accepted(callback: Callback) -> Accepted:
    assert callback.accepted is not None, "only what was answered is asked for its outcome"
    return callback.accepted
