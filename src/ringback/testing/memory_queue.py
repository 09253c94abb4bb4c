"""Bringing outcomes to Temporal, in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.event import EventKind
from ringback.domain.ids import CallbackId
from ringback.ports.store import Postponement, Settlement
from ringback.testing.memory_state import Claim, MemoryState, accepted_of


class MemoryQueue(MemoryState):
    """`DeliveryQueue` in memory."""

    async def claim(self, owner: str, *, limit: int, lease: timedelta) -> Sequence[Callback]:
        """See `DeliveryQueue.claim`."""
        self._check_available()
        now = self._clock.now()
        due = [callback for callback in self._waiting() if self._claims[callback.id].due_at <= now]
        claimed = sorted(due, key=lambda callback: self._claims[callback.id].due_at)[:limit]
        for callback in claimed:
            self._claims[callback.id] = Claim(now + lease, owner)
        return [self._count_try(callback) for callback in claimed]

    def _count_try(self, callback: Callback) -> Callback:
        accepted = accepted_of(callback)
        is_known = accepted.unproven_attempt is not None
        if is_known or self._untaken.get(callback.id) == callback.attempt_started_at:
            tried = replace(accepted, tries=accepted.tries + 1)
        else:
            tried = _tried(callback)
        return self._put(replace(callback, accepted=tried))

    async def release(self, owner: str) -> None:
        """See `DeliveryQueue.release`."""
        self._check_available()
        for callback in self._waiting():
            if self._claims[callback.id].owner == owner:
                self._claims[callback.id] = Claim(self._clock.now(), None)

    async def postpone(self, postponements: Sequence[Postponement]) -> None:
        """See `DeliveryQueue.postpone`."""
        self._check_available()
        for item in postponements:
            callback = self._under_try(item.callback_id, item.tries)
            if callback is not None:
                troubled = replace(accepted_of(callback), trouble=item.reason)
                if item.is_untaken and troubled.unproven_started_at is not None:
                    self._untaken[callback.id] = troubled.unproven_started_at
                    troubled = replace(troubled, unproven_attempt=None, unproven_started_at=None)
                self._put(replace(callback, accepted=troubled))
                self._claims[callback.id] = Claim(self._clock.now() + item.wait, None)

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """See `DeliveryQueue.settle`."""
        self._check_available()
        for item in settlements:
            callback = self._under_try(item.callback_id, item.tries)
            if callback is not None:
                settled = replace(
                    accepted_of(callback), verdict_at=self._clock.now(), proof=item.proof
                )
                self._put(replace(callback.move(item.verdict), accepted=settled))
                self._claims[callback.id] = Claim(self._clock.now(), None)
                self._record(callback.id, EventKind(item.verdict.value), item.proof)

    def _under_try(self, callback_id: CallbackId, tries: int) -> Callback | None:
        callback = self._callbacks.get(callback_id)
        if callback is None or callback.state is not State.ACCEPTED:
            return None
        return callback if accepted_of(callback).tries == tries else None

    async def next_due(self) -> timedelta | None:
        """See `DeliveryQueue.next_due`."""
        self._check_available()
        due = [self._claims[callback.id].due_at for callback in self._waiting()]
        return max(timedelta(0), min(due) - self._clock.now()) if due else None

    async def hand_over(
        self,
        callback_id: CallbackId,
        *,
        worker: str,
        attempt_started_at: datetime,
        lease: timedelta,
    ) -> bool:
        """See `DeliveryQueue.hand_over`."""
        self._check_available()
        callback, now = self._callbacks.get(callback_id), self._clock.now()
        if callback is None or callback.state is not State.ACCEPTED:
            return False
        if callback.attempt_started_at != attempt_started_at or self._is_held(callback, now):
            return False
        attempt = callback.attempt
        handed = replace(_tried(callback), handed_to=worker, handed_attempt=attempt)
        self._put(replace(callback, accepted=handed))
        self._claims[callback_id] = Claim(now + lease, worker)
        self._record(callback_id, EventKind.HANDED_OVER, {"worker": worker, "attempt": attempt})
        return True

    def _is_held(self, callback: Callback, now: datetime) -> bool:
        claim, accepted = self._claims[callback.id], accepted_of(callback)
        # The attempt that took it before this one has ended, and not with it.
        is_an_earlier_attempt_s = (
            claim.owner == accepted.handed_to
            and accepted.unproven_started_at != callback.attempt_started_at
        )
        return claim.owner is not None and claim.due_at > now and not is_an_earlier_attempt_s

    async def redeliver(self, callback_id: CallbackId) -> bool:
        """See `DeliveryQueue.redeliver`."""
        self._check_available()
        callback = self._callbacks.get(callback_id)
        if callback is None or callback.state is not State.PARKED:
            return False
        parked = accepted_of(callback)
        again = Accepted(
            parked.id,
            parked.outcome,
            parked.accepted_at,
            is_default=parked.is_default,
            tries=parked.tries,
        )
        self._untaken.pop(callback_id, None)
        self._put(replace(callback.move(State.ACCEPTED), accepted=again))
        self._claims[callback_id] = Claim(self._clock.now(), None)
        self._record(callback_id, EventKind.REDELIVERED, {})
        return True


def _tried(callback: Callback) -> Accepted:
    accepted = accepted_of(callback)
    return replace(
        accepted,
        tries=accepted.tries + 1,
        unproven_attempt=callback.attempt,
        unproven_started_at=callback.attempt_started_at,
    )
