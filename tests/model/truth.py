"""The truth: what really happened, which the store must never contradict."""

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from ringback.domain.callback import MOVES, Accepted, ActivityExecution, Callback, State
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.opening import REPLACED, OpenRequest
from ringback.domain.options import Attempts
from ringback.domain.outcome import Outcome
from ringback.testing import FakeActivities

Lineage = tuple[str, str, str, datetime]


@dataclass(frozen=True)
class Effect:
    """An attempt that ended with an outcome.

    Attributes:
        ref: The activity.
        started_at: When the attempt was started; `None` if none ran.
        by: Who ended it: the outcome's own name, or a worker.
    """

    ref: ActivityExecution
    started_at: datetime | None
    by: str


@dataclass
class Truth:
    """What happened, and the checks that it allows.

    Attributes:
        asked: Which attempts asked for each callback.
        told: The outcome that a sender was told is kept.
        known: Each callback as it was seen last.
        effects: What each outcome ended.
        broken: What was found wrong.
    """

    activities: FakeActivities
    asked: defaultdict[CallbackId, list[OpenRequest]] = field(
        default_factory=lambda: defaultdict(list)
    )
    told: dict[CallbackId, Outcome] = field(default_factory=dict)
    known: dict[CallbackId, Callback] = field(default_factory=dict)
    effects: defaultdict[OutcomeId, list[Effect]] = field(default_factory=lambda: defaultdict(list))
    broken: AssertionError | None = None

    @contextmanager
    def remembered(self) -> Iterator[None]:
        """Remember what is found wrong in the block: a process may survive the error."""
        try:
            yield
        except AssertionError as exc:
            self.broken = self.broken or exc
            raise

    def check(self) -> None:
        """Raise what was found wrong, if something was."""
        with self.remembered():
            self._check_heartbeats()
        if self.broken is not None:
            raise self.broken

    def _check_heartbeats(self) -> None:
        for ref, details in self.activities.heartbeats:
            # What a person outside says in a heartbeat is the id of the callback.
            if details is not None:
                callback_id = CallbackId(json.loads(details))
                own = {lineage(request.ref) for request in self.asked[callback_id]}
                assert lineage(ref) in own, f"a heartbeat to {callback_id} reached {ref}"
        self.activities.heartbeats.clear()

    def note_ended(self, outcome_id: OutcomeId, effect: Effect) -> None:
        """Take note that Temporal took an outcome; check that it may."""
        of = self._callback_of(outcome_id)
        before = self.effects[outcome_id]
        requests = self.asked[of.id]
        assert of.state is not State.SUPERSEDED, f"{of.id} was superseded, and now is applied"
        lawful = _lawful(of, requests, effect)
        assert effect.ref in lawful, f"{of.id} ended another activity: {effect}"
        assert effect.ref.run_id not in {one.ref.run_id for one in before}, (
            f"{of.id} was applied twice: {before}, {effect}"
        )
        if of.options.attempts is Attempts.CURRENT:
            own = {request.attempt_started_at for request in requests}
            assert effect.started_at in own, f"{of.id} ended another attempt: {effect}, {own}"
        before.append(effect)

    def _callback_of(self, outcome_id: OutcomeId) -> Callback:
        for callback in self.known.values():
            if callback.accepted is not None and callback.accepted.id == outcome_id:
                return callback
        msg = f"{outcome_id} was delivered, and the store does not have it"
        raise AssertionError(msg)

    def look(self, callbacks: list[Callback]) -> None:
        """Check what the store has now against what it had before, and what is true."""
        for callback in callbacks:
            before = self.known.get(callback.id)
            self.known[callback.id] = callback
            state = None if before is None else before.state
            if callback.state is not state:
                self._check_move(state, callback)
            if before is not None and before.accepted is not None:
                _check_kept(before.accepted, callback.accepted)
        for callback_id, outcome in self.told.items():
            accepted = self.known[callback_id].accepted
            assert accepted is not None, f"a sender was told that {callback_id} is answered"
            assert accepted.outcome == outcome, f"{callback_id} has another outcome than was told"
            assert not accepted.is_default, f"nobody answered {callback_id}, and somebody was told"

    def _check_move(self, before: State | None, callback: Callback) -> None:
        lawful = {State.OPEN} if before is None else MOVES[before]
        assert callback.state in lawful, f"{callback.id} went from {before} to {callback.state}"
        match callback.state:
            case State.APPLIED:
                assert self.has_effect(callback), f"{callback.id} is not applied: {callback}"
            case State.SUPERSEDED:
                assert not self.has_effect(callback), f"{callback.id} was applied: {callback}"
            case State.PARKED:
                assert _accepted(callback).proof, "what is parked says why"
                assert (_accepted(callback).proof or {}).get("reason"), "what is parked says why"
            case State.EXPIRED:
                self._check_expired(callback)
            case State.OPEN | State.ACCEPTED:
                pass

    def _check_expired(self, callback: Callback) -> None:
        last_wish = max(self.asked[callback.id], key=lambda request: request.attempt_started_at)
        if callback.expired_because == REPLACED:
            return
        pending = self.activities.pending(callback.ref)
        is_asleep = pending is not None and pending.started_at == last_wish.attempt_started_at
        assert pending is None, f"{callback.id} expired, and its activity waits: {is_asleep}"

    def has_effect(self, callback: Callback) -> bool:
        """Tell whether Temporal took the outcome."""
        return bool(self.effects[_accepted(callback).id])


def _accepted(callback: Callback) -> Accepted:
    assert callback.accepted is not None, "what was answered has an outcome"
    return callback.accepted


def _check_kept(before: Accepted, now: Accepted | None) -> None:
    assert now is not None, "an accepted outcome is gone"
    kept = (before.id, before.outcome, before.accepted_at, before.is_default)
    assert (now.id, now.outcome, now.accepted_at, now.is_default) == kept, "an outcome changed"


def _lawful(
    callback: Callback, requests: list[OpenRequest], effect: Effect
) -> set[ActivityExecution]:
    """Return the activities that the outcome may end."""
    own = {request.ref for request in requests}
    if callback.options.follow_reset and lineage(effect.ref) in {lineage(ref) for ref in own}:
        return {effect.ref}
    return own


def lineage(ref: ActivityExecution) -> Lineage:
    """Return what an activity has in common with itself in the runs that resets made."""
    return ref.namespace, ref.workflow_id, ref.activity_id, ref.scheduled_at
