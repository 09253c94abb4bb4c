"""The truth: what really happened, which the store must not contradict."""

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
from ringback.domain.outcome import Outcome, is_retried
from tests.model.activities import Activities
from tests.model.poll_truth import PollTruth

Lineage = tuple[str, str, str, datetime]


@dataclass(frozen=True)
class Effect:
    """An attempt that ended with an outcome.

    Attributes:
        ref: The activity.
        started_at: When the attempt was started; `None` if none ran.
        by: The identity that ended it: the outcome's, or a worker's.
    """

    ref: ActivityExecution
    started_at: datetime | None
    by: str


@dataclass
class Truth:
    """What happened, and checks of the store against it.

    Attributes:
        activities: Temporal.
        requests: The requests that opened each callback.
        confirmed: The outcome that a sender got a receipt for.
        known: The latest known version of each callback.
        effects: The attempts that each outcome ended.
        continued: The outcomes that an attempt continued with.
        polls: The polls of senders.
        broken: The first violation.
    """

    activities: Activities
    requests: defaultdict[CallbackId, list[OpenRequest]] = field(
        default_factory=lambda: defaultdict(list)
    )
    confirmed: dict[CallbackId, Outcome] = field(default_factory=dict)
    known: dict[CallbackId, Callback] = field(default_factory=dict)
    effects: defaultdict[OutcomeId, list[Effect]] = field(default_factory=lambda: defaultdict(list))
    continued: set[OutcomeId] = field(default_factory=set)
    polls: PollTruth = field(default_factory=PollTruth)
    broken: AssertionError | None = None

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Record a violation in the block, since a process may survive the error."""
        try:
            yield
        except AssertionError as exc:
            self.broken = self.broken or exc
            raise

    def check(self) -> None:
        """Raise the recorded violation, if any."""
        with self.recorded():
            self._check_heartbeats()
        if self.broken is not None:
            raise self.broken

    def _check_heartbeats(self) -> None:
        for ref, details in self.activities.heartbeats:
            # The details of a sender's heartbeat are the id of the callback.
            if details is not None:
                callback_id = CallbackId(json.loads(details))
                own = {lineage(request.attempt.ref) for request in self.requests[callback_id]}
                assert lineage(ref) in own, f"a heartbeat to {callback_id} reached {ref}"
        self.activities.heartbeats.clear()

    def note_ended(self, outcome_id: OutcomeId, effect: Effect) -> None:
        """Record that Temporal applied an outcome; check that this was allowed."""
        of = self._callback_of(outcome_id)
        before = self.effects[outcome_id]
        requests = self.requests[of.id]
        assert of.state is not State.SUPERSEDED, f"{of.id} was superseded, and now is applied"
        allowed = _allowed(of, requests, effect)
        assert effect.ref in allowed, f"{of.id} ended another activity: {effect}"
        for one in before:
            is_allowed = effect.ref.run_id != one.ref.run_id or self._is_hidden(of, one, effect)
            assert is_allowed, f"{of.id} was applied twice: {before}, {effect}"
        if of.options.attempts is Attempts.CURRENT:
            own = {request.attempt.started_at for request in requests}
            assert effect.started_at in own, f"{of.id} ended another attempt: {effect}, {own}"
        before.append(effect)

    def _is_hidden(self, of: Callback, effect: Effect, later: Effect | None = None) -> bool:
        """Return whether Temporal shows how another attempt with the same number ended instead.

        After an operator's reset, numbers repeat, and Temporal does not show when the attempt that
        ended last was started. So a failure that is retried may end two attempts, or count as
        superseded.
        """
        if not is_retried(_accepted(of).outcome) or effect.started_at is None:
            return False
        ours = {one.started_at for one in (*self.effects[_accepted(of).id], later) if one}
        numbers = {
            request.attempt.number
            for request in self.requests[of.id]
            if request.attempt.started_at == effect.started_at
        }
        return any(
            ended.number in numbers
            and ended.started_at > effect.started_at
            and ended.started_at not in ours
            for ended in self.activities.ended_attempts[effect.ref]
        )

    def note_continued(self, outcome_id: OutcomeId) -> None:
        """Note that the code behind a wait runs with an outcome; check that it may."""
        callback = self._callback_of(outcome_id)
        is_settled = callback.state in {State.APPLIED, State.SUPERSEDED}
        assert is_settled, f"an attempt continues, and {callback.id} is {callback.state}"
        if callback.state is State.APPLIED:
            self.continued.add(outcome_id)

    def _callback_of(self, outcome_id: OutcomeId) -> Callback:
        for callback in self.known.values():
            if callback.accepted is not None and callback.accepted.id == outcome_id:
                return callback
        msg = f"{outcome_id} was delivered, and the store does not have it"
        raise AssertionError(msg)

    def look(self, callbacks: list[Callback]) -> None:
        """Check the store against its earlier contents and against the truth."""
        for callback in callbacks:
            before = self.known.get(callback.id)
            self.known[callback.id] = callback
            state = None if before is None else before.state
            if callback.state is not state:
                self._check_move(state, callback)
            if before is not None and before.accepted is not None:
                _check_kept(before.accepted, callback.accepted)
            self.polls.check_reported(callback)
        for callback_id, outcome in self.confirmed.items():
            accepted = self.known[callback_id].accepted
            assert accepted is not None, f"{callback_id} has no outcome, but a sender has a receipt"
            assert accepted.outcome == outcome, f"{callback_id} has another outcome"
            assert not accepted.is_default, f"{callback_id} has its default answer"

    def _check_move(self, before: State | None, callback: Callback) -> None:
        allowed = {State.OPEN} if before is None else MOVES[before]
        assert callback.state in allowed, f"{callback.id} went from {before} to {callback.state}"
        match callback.state:
            case State.APPLIED:
                assert self.has_effect(callback), f"{callback.id} is not applied: {callback}"
            case State.SUPERSEDED:
                self._check_superseded(callback)
            case State.PARKED:
                assert _accepted(callback).proof, "what is parked says why"
                assert (_accepted(callback).proof or {}).get("reason"), "what is parked says why"
            case State.EXPIRED:
                self._check_expired(callback)
            case State.ACCEPTED if _accepted(callback).is_default:
                self.polls.check_default(callback)
            case State.OPEN | State.ACCEPTED:
                pass

    def _check_superseded(self, callback: Callback) -> None:
        effects = self.effects[_accepted(callback).id]
        is_hidden = any(self._is_hidden(callback, effect) for effect in effects)
        assert is_hidden or not self.has_effect(callback), f"{callback.id} was applied: {callback}"

    def _check_expired(self, callback: Callback) -> None:
        last_request = max(
            self.requests[callback.id], key=lambda request: request.attempt.started_at
        )
        if callback.expired_because == REPLACED:
            return
        pending = self.activities.pending(callback.ref)
        is_waiting = pending is not None and pending.started_at == last_request.attempt.started_at
        assert pending is None, f"{callback.id} expired, and its activity waits: {is_waiting}"

    def has_effect(self, callback: Callback) -> bool:
        """Return whether Temporal applied the outcome, or the activity continued with it."""
        accepted = _accepted(callback)
        if callback.is_resumed and "continued" in (accepted.proof or {}):
            return True
        return bool(self.effects[accepted.id]) or accepted.id in self.continued


def _accepted(callback: Callback) -> Accepted:
    assert callback.accepted is not None, "what was answered has an outcome"
    return callback.accepted


def _check_kept(before: Accepted, now: Accepted | None) -> None:
    assert now is not None, "an accepted outcome was lost"
    kept = (before.id, before.outcome, before.accepted_at, before.is_default)
    assert (now.id, now.outcome, now.accepted_at, now.is_default) == kept, "an outcome changed"


def _allowed(
    callback: Callback, requests: list[OpenRequest], effect: Effect
) -> set[ActivityExecution]:
    """Return the activities that the outcome may end."""
    own = {request.attempt.ref for request in requests}
    if callback.options.follow_reset and lineage(effect.ref) in {lineage(ref) for ref in own}:
        return {effect.ref}
    return own


def lineage(ref: ActivityExecution) -> Lineage:
    """Return what identifies an activity across the runs of workflow resets."""
    return ref.namespace, ref.workflow_id, ref.activity_id, ref.scheduled_at
