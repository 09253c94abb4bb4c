"""Bringing outcomes to Temporal, from memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.event import EventKind
from ringback.domain.ids import CallbackId
from ringback.ports.store import Postponement, Settlement
from ringback.testing.memory.shelf import Claim, Shelf


class MemoryDeliveries(Shelf):
    """`DeliveryQueue` in memory."""

    async def claim(self, owner: str, *, limit: int, lease: timedelta) -> Sequence[Callback]:
        """See `DeliveryQueue.claim`."""
        now = self._now()
        due = [one for one in self._in_state(State.ACCEPTED) if self._claims[one.id].due_at <= now]
        claimed = sorted(due, key=lambda callback: self._claims[callback.id].due_at)[:limit]
        for callback in claimed:
            self._claims[callback.id] = Claim(now + lease, owner)
        return [self._begin_try(callback) for callback in claimed]

    def _begin_try(self, callback: Callback) -> Callback:
        accepted = _accepted(callback)
        tried = replace(accepted, tries=accepted.tries + 1)
        is_untaken = self._untaken.get(callback.id) == callback.attempt_started_at
        if accepted.unproven_attempt is None and not is_untaken:
            tried = _unproven(tried, callback)
        return self._put(replace(callback, accepted=tried))

    async def release(self, owner: str) -> None:
        """See `DeliveryQueue.release`."""
        now = self._now()
        for callback in self._in_state(State.ACCEPTED):
            if self._claims[callback.id].owner == owner:
                self._claims[callback.id] = Claim(now, None)

    async def postpone(self, postponements: Sequence[Postponement]) -> None:
        """See `DeliveryQueue.postpone`."""
        now = self._now()
        for item in postponements:
            callback = self._find_in_try(item.callback_id, item.tries)
            if callback is not None:
                tries = item.tries + item.is_untaken
                troubled = replace(_accepted(callback), trouble=item.reason, tries=tries)
                if item.is_untaken and troubled.unproven_started_at is not None:
                    self._untaken[callback.id] = troubled.unproven_started_at
                    troubled = replace(troubled, unproven_attempt=None, unproven_started_at=None)
                self._put(replace(callback, accepted=troubled))
                self._claims[callback.id] = Claim(now + item.wait, None)

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """See `DeliveryQueue.settle`."""
        now = self._now()
        for item in settlements:
            callback = self._find_in_try(item.callback_id, item.tries)
            if callback is not None:
                settled = replace(_accepted(callback), verdict_at=now, proof=item.proof)
                self._put(replace(callback.move(item.verdict), accepted=settled))
                self._claims[callback.id] = Claim(now, None)
                self._record(callback.id, EventKind(item.verdict.value), item.proof)

    def _find_in_try(self, callback_id: CallbackId, tries: int) -> Callback | None:
        callback = self._find_in_state(callback_id, State.ACCEPTED)
        return callback if callback is not None and _accepted(callback).tries == tries else None

    async def next_due(self) -> timedelta | None:
        """See `DeliveryQueue.next_due`."""
        now = self._now()
        due = [self._claims[callback.id].due_at for callback in self._in_state(State.ACCEPTED)]
        return max(timedelta(0), min(due) - now) if due else None

    async def hand_over(
        self,
        callback_id: CallbackId,
        *,
        worker: str,
        attempt_started_at: datetime,
        lease: timedelta,
    ) -> bool:
        """See `DeliveryQueue.hand_over`."""
        now = self._now()
        callback = self._find_in_state(callback_id, State.ACCEPTED)
        if callback is None or callback.attempt_started_at != attempt_started_at:
            return False
        if self._is_held_against(callback, now):
            return False
        accepted = _accepted(callback)
        handed = replace(
            _unproven(accepted, callback),
            tries=accepted.tries + 1,
            handed_to=worker,
            handed_attempt=callback.attempt,
        )
        self._put(replace(callback, accepted=handed))
        self._claims[callback_id] = Claim(now + lease, worker)
        facts: dict[str, object] = {"worker": worker, "attempt": callback.attempt}
        self._record(callback_id, EventKind.HANDED_OVER, facts)
        return True

    def _is_held_against(self, callback: Callback, now: datetime) -> bool:
        """Tell whether somebody has the outcome whom the attempt that asked last does not end."""
        claim, accepted = self._claims[callback.id], _accepted(callback)
        if claim.owner is None or claim.due_at <= now:
            return False
        handed_at = accepted.unproven_started_at
        is_an_earlier_attempt_s = handed_at is not None and handed_at < callback.attempt_started_at
        return claim.owner != accepted.handed_to or not is_an_earlier_attempt_s

    async def redeliver(self, callback_id: CallbackId) -> bool:
        """See `DeliveryQueue.redeliver`."""
        now = self._now()
        callback = self._find_in_state(callback_id, State.PARKED)
        if callback is None:
            return False
        anew = replace(
            _accepted(callback),
            unproven_attempt=None,
            unproven_started_at=None,
            trouble=None,
            verdict_at=None,
            proof=None,
        )
        self._untaken.pop(callback_id, None)
        self._put(replace(callback.move(State.ACCEPTED), accepted=anew))
        self._claims[callback_id] = Claim(now, None)
        self._record(callback_id, EventKind.REDELIVERED, {})
        return True


def _accepted(callback: Callback) -> Accepted:
    assert callback.accepted is not None, "only what was answered is asked for its outcome"
    return callback.accepted


def _unproven(accepted: Accepted, callback: Callback) -> Accepted:
    return replace(
        accepted,
        unproven_attempt=callback.attempt,
        unproven_started_at=callback.attempt_started_at,
    )
