"""Activities without a server: as much of Temporal's behaviour as the core relies on.

The same tests run on it and on the real server: `tests/contract/activities_contract.py`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from ringback.domain.callback import ActivityRef, Callback
from ringback.domain.errors import (
    ActivityGoneError,
    AnswerTooLargeError,
    RefusedByTemporalError,
    TemporalBusyError,
    TemporalUnreachableError,
)
from ringback.domain.outcome import KINDS, Canceled, Completed, Failed, Outcome, body_of
from ringback.ports.activities import LastFailure, Pending, Pulse, Unknown, Whereabouts
from ringback.ports.clock import Clock
from ringback.testing.fake_activity import FakeActivity

_BEGINNING: Final = datetime(2030, 1, 1, tzinfo=UTC)
_NOT_RUNNING: Final = "invalid activityID or activity already timed out"
_NOT_ASKED_TO_CANCEL: Final = (
    "unable to mark activity as canceled without activity being request canceled first"
)


@dataclass
class FakeActivities:
    """An `Activities` for tests.

    Attributes:
        is_reachable: Set it to false and every call raises `TemporalUnreachableError`.
        is_busy: Set it to true and deliveries raise `TemporalBusyError`.
        loses_replies: Set it to true and deliveries are applied, but their replies are lost.
        is_frozen: Set it and deliveries begin and do not end, as with a server that hangs.
        most_attempts: After so many attempts a failure ends the activity; 0 is no limit.
        largest: The largest body that is taken, in bytes.
        largest_retried: The largest body of a failure that may be retried.
        clock: What starts and ends are dated by; without one they are a second apart.
        deliveries: What was applied, in order: the activity, the outcome, the identity.
        heartbeats: What was recorded, in order: the activity and the details.
    """

    is_reachable: bool = True
    is_busy: bool = False
    loses_replies: bool = False
    is_frozen: asyncio.Event = field(default_factory=asyncio.Event)
    most_attempts: int = 0
    largest: int = 2 * 1024 * 1024
    largest_retried: int = 4096
    clock: Clock | None = None
    deliveries: list[tuple[ActivityRef, Outcome, str]] = field(default_factory=list)
    heartbeats: list[tuple[ActivityRef, bytes | None]] = field(default_factory=list)
    _activities: dict[ActivityRef, FakeActivity] = field(default_factory=dict)
    _latest_runs: dict[tuple[str, str], str] = field(default_factory=dict)
    _latest: datetime = _BEGINNING

    def schedule(
        self,
        ref: ActivityRef,
        *,
        is_started: bool = True,
        start_to_close: timedelta | None = None,
        schedule_to_close: timedelta | None = None,
    ) -> None:
        """Let the activity wait at attempt 1, which runs unless no worker takes it."""
        ends_by = None if schedule_to_close is None else ref.scheduled_at + schedule_to_close
        self._activities[ref] = FakeActivity(ref, start_to_close, ends_by)
        self._latest_runs[ref.namespace, ref.workflow_id] = ref.run_id
        if is_started:
            self.start(ref)

    def pending(self, ref: ActivityRef) -> Pending | None:
        """Return how the activity waits, also while nobody can reach the server."""
        known = self._activities.get(ref)
        found = None if known is None else known.whereabouts
        return found if isinstance(found, Pending) else None

    def task_token(self, ref: ActivityRef) -> bytes:
        """Return the token of the attempt that runs; like Temporal's, it tells only its number."""
        return self._waiting(ref).task_token

    def attempt(self, ref: ActivityRef) -> int:
        """Return the number of the attempt that runs, or of the next one."""
        return self._waiting(ref).attempt

    def started_at(self, ref: ActivityRef) -> datetime:
        """Return when the attempt that runs was started."""
        started_at = self._waiting(ref).started_at
        assert started_at is not None, "an attempt runs"
        return started_at

    def start(self, ref: ActivityRef) -> None:
        """Let a worker take the attempt that waits."""
        self._waiting(ref).start(self._next_instant())

    def back_off(
        self, ref: ActivityRef, last_failure: LastFailure, *, identity: str | None = None
    ) -> None:
        """Let the present attempt end with `last_failure`; the next one waits for its time.

        If it was the last, the activity ends, in the name of `identity` or else of who made the
        failure; a time-out is nobody's doing.
        """
        activity = self._waiting(ref)
        if not activity.is_at_its_last(self.most_attempts):
            activity.back_off(last_failure)
        elif last_failure.kind == "timeout":
            self.end(ref, how="timed out")
        else:
            self.end(ref, how="failed", identity=identity or last_failure.source)

    def return_from(
        self, task_token: bytes, outcome: Outcome, *, identity: str, source: str = ""
    ) -> None:
        """Let the worker's own code end an attempt, in the name of the worker.

        Raises:
            ActivityGoneError: That attempt does not run any more.
        """
        self._apply(self._with_token(task_token), outcome, identity=identity, source=source)

    def reset(self, ref: ActivityRef) -> None:
        """Reset the activity: its attempts count from 1 again, and one that runs runs on."""
        self._waiting(ref).reset()

    def reset_workflow(self, ref: ActivityRef, run_id: str) -> ActivityRef:
        """Reset the workflow to where the activity waits; return it in the new run, started."""
        self.close_workflow(ref, how="workflow terminated")
        moved = replace(ref, run_id=run_id)
        self.schedule(moved)
        return moved

    def close_workflow(self, ref: ActivityRef, *, how: str) -> None:
        """Close the run of the activity, over all that wait in it."""
        for other in self._activities.values():
            if other.ref.run == ref.run and other.ended is None:
                self.end(other.ref, how=how)

    def request_cancel(self, ref: ActivityRef) -> None:
        """Ask the activity to cancel; between two attempts the server ends it at once."""
        activity = self._waiting(ref)
        activity.cancel_requested = True
        if not activity.is_started:
            self.end(ref, how="canceled", identity="the workflow's worker")

    def pause(self, ref: ActivityRef) -> None:
        """Pause the activity: none of its timers runs, and no attempt begins."""
        self._waiting(ref).paused = True

    def unpause(self, ref: ActivityRef) -> None:
        """Let the activity go on."""
        self._waiting(ref).unpause()

    def set_timeout(self, ref: ActivityRef, timeout_at: datetime | None) -> None:
        """Give the activity another time-out, instead of all that it has."""
        self._waiting(ref).set_timeouts(None, timeout_at)

    def end(self, ref: ActivityRef, *, how: str, identity: str = "") -> None:
        """Let the activity end, in the attempt at which it is."""
        activity = self._activities.setdefault(ref, FakeActivity(ref))
        activity.end(how, self._next_instant(), identity)

    async def check(self, callback: Callback, outcome: Outcome) -> None:  # noqa: ARG002 - the port's
        """See `Activities.check`."""
        is_retried = isinstance(outcome, Failed) and not outcome.non_retryable
        limit = min(self.largest, self.largest_retried) if is_retried else self.largest
        _check_size(body_of(outcome), limit, "the answer")

    async def deliver_to_attempt(
        self, callback: Callback, outcome: Outcome, *, identity: str
    ) -> None:
        """See `Activities.deliver_to_attempt`."""
        await self._arrive(callback, outcome)
        assert callback.task_token is not None, "ask first whether there is one"
        self._deliver(self._with_token(callback.task_token), outcome, identity)

    async def deliver(self, callback: Callback, outcome: Outcome, *, identity: str) -> None:
        """See `Activities.deliver`.

        Raises:
            ActivityGoneError: No activity waits with these ids, or it is not started and this is
                no result.
        """
        await self._arrive(callback, outcome)
        activity = self._with_ids(callback.ref)
        if not activity.is_started and not isinstance(outcome, Completed):
            raise ActivityGoneError(_NOT_RUNNING)
        self._deliver(activity, outcome, identity)

    async def heartbeat(self, callback: Callback, details: bytes | None) -> Pulse:
        """See `Activities.heartbeat`.

        Raises:
            ActivityGoneError: No activity waits with these ids, or it is not started.
        """
        self._check_reachable()
        _check_size(details, self.largest, "the details")
        activity = self._with_ids(callback.ref)
        if not activity.is_started:
            raise ActivityGoneError(_NOT_RUNNING)
        self.heartbeats.append((activity.ref, details))
        return Pulse(activity.cancel_requested, activity.paused, activity.was_reset)

    async def look(self, refs: Sequence[ActivityRef]) -> Sequence[Pending | None]:
        """See `Activities.look`."""
        self._check_reachable()
        return [self.pending(ref) for ref in refs]

    async def locate(self, ref: ActivityRef) -> Whereabouts:
        """See `Activities.locate`."""
        self._check_reachable()
        known = self._activities.get(ref)
        return Unknown("no such activity") if known is None else known.whereabouts

    async def find_after_reset(self, ref: ActivityRef) -> ActivityRef | None:
        """See `Activities.find_after_reset`."""
        self._check_reachable()
        latest_run = self._latest_runs.get((ref.namespace, ref.workflow_id), ref.run_id)
        latest = replace(ref, run_id=latest_run)
        return latest if latest != ref and latest in self._activities else None

    async def _arrive(self, callback: Callback, outcome: Outcome) -> None:
        await self.check(callback, outcome)
        self._check_reachable()
        if self.is_busy:
            msg = "the fake server is busy"
            raise TemporalBusyError(msg)
        if self.is_frozen.is_set():
            await asyncio.Event().wait()

    def _deliver(self, activity: FakeActivity, outcome: Outcome, identity: str) -> None:
        if isinstance(outcome, Canceled) and not activity.cancel_requested:
            raise RefusedByTemporalError(_NOT_ASKED_TO_CANCEL)
        self.deliveries.append((activity.ref, outcome, identity))
        self._apply(activity, outcome, identity=identity, source=identity)
        if self.loses_replies:
            msg = "the reply was lost"
            raise TemporalUnreachableError(msg)

    def _apply(
        self, activity: FakeActivity, outcome: Outcome, *, identity: str, source: str
    ) -> None:
        if isinstance(outcome, Failed) and not outcome.non_retryable:
            failure = LastFailure("application", outcome.message, outcome.type, source)
            self.back_off(activity.ref, failure, identity=identity)
        else:
            self.end(activity.ref, how=KINDS[type(outcome)], identity=identity)

    def _waiting(self, ref: ActivityRef) -> FakeActivity:
        activity = self._activities.get(ref)
        if activity is None or activity.ended is not None:
            msg = "the activity is not pending"
            raise ActivityGoneError(msg)
        return activity

    def _with_token(self, task_token: bytes) -> FakeActivity:
        for activity in self._activities.values():
            is_running = activity.ended is None and activity.is_started
            if is_running and activity.task_token == task_token:
                return activity
        raise ActivityGoneError(_NOT_RUNNING)

    def _with_ids(self, ref: ActivityRef) -> FakeActivity:
        # Whatever has these ids by now, though it be another activity: as the server does it.
        for activity in self._activities.values():
            if activity.ended is None and _ids(activity.ref) == _ids(ref):
                return activity
        msg = "cannot find pending activity with ActivityID"
        raise ActivityGoneError(msg)

    def _check_reachable(self) -> None:
        if not self.is_reachable:
            msg = "the fake server was switched off"
            raise TemporalUnreachableError(msg)

    def _next_instant(self) -> datetime:
        if self.clock is None:
            self._latest += timedelta(seconds=1)
        else:
            self._latest = max(self._latest + timedelta(microseconds=1), self.clock.now())
        return self._latest


def _check_size(body: bytes | None, limit: int, what: str) -> None:
    if len(body or b"") > limit:
        raise AnswerTooLargeError(limit, what)


def _ids(ref: ActivityRef) -> tuple[str, str, str, str]:
    return ref.namespace, ref.workflow_id, ref.run_id, ref.activity_id
