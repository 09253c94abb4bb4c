"""A server for tests: what happens to activities in Temporal."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.common import RetryPolicy

from ringback.domain.activity_state import LastFailure, Pending, only_pending
from ringback.domain.callback import ActivityExecution
from ringback.domain.errors import ActivityGoneError
from ringback.domain.outcome import KINDS, Failed, Outcome, is_retried
from ringback.ports.clock import Clock
from ringback.testing.fake_activity import FakeActivity

_BEGINNING: Final = datetime(2030, 1, 1, tzinfo=UTC)
_NOT_RUNNING: Final = "invalid activityID or activity already timed out"


@dataclass(kw_only=True)
class FakeServer:
    """The parts of Temporal's behavior that the core relies on.

    Attributes:
        most_attempts: The maximum attempts of an activity; 0 is unlimited.
        clock: The clock of start and end times; without one they are a second apart.
    """

    most_attempts: int = 0
    clock: Clock | None = None
    _activities: dict[ActivityExecution, FakeActivity] = field(default_factory=dict)
    _latest_runs: dict[tuple[str, str], str] = field(default_factory=dict)
    _latest: datetime = _BEGINNING

    def schedule(
        self,
        ref: ActivityExecution,
        *,
        is_started: bool = True,
        start_to_close: timedelta | None = None,
        schedule_to_close: timedelta | None = None,
        heartbeat_timeout: timedelta | None = None,
        retry_policy: RetryPolicy | None = None,
    ) -> None:
        """Schedule the activity; its attempt 1 runs unless no worker accepts it."""
        ends_by = None if schedule_to_close is None else ref.scheduled_at + schedule_to_close
        policy = retry_policy or RetryPolicy()
        activity = FakeActivity(ref, start_to_close, ends_by, heartbeat_timeout, policy)
        self._activities[ref] = activity
        self._latest_runs[ref.namespace, ref.workflow_id] = ref.run_id
        if is_started:
            self.start(ref)

    def pending(self, ref: ActivityExecution) -> Pending | None:
        """Return the pending state, even while the server is unreachable for callers."""
        known = self._activities.get(ref)
        return only_pending(None if known is None else known.activity_state)

    def task_token(self, ref: ActivityExecution) -> bytes:
        """Return the running attempt's token; like Temporal's, it contains only the number."""
        return self._waiting(ref).task_token

    def attempt(self, ref: ActivityExecution) -> int:
        """Return the number of the running attempt, or of the next one."""
        return self._waiting(ref).attempt

    def started_at(self, ref: ActivityExecution) -> datetime:
        """Return when the running attempt was started."""
        started_at = self._waiting(ref).started_at
        assert started_at is not None, "an attempt runs"
        return started_at

    def start(self, ref: ActivityExecution) -> None:
        """Start the waiting attempt on a worker."""
        self._waiting(ref).start(self._next_instant())

    def back_off(
        self, ref: ActivityExecution, last_failure: LastFailure, *, identity: str | None = None
    ) -> None:
        """End the current attempt with `last_failure`; the next one starts after the backoff.

        The last attempt ends the activity, as `identity` or else as the failure's source; a timeout
        has neither.
        """
        activity = self._waiting(ref)
        if not activity.is_at_its_last(self.most_attempts):
            activity.back_off(last_failure)
        elif last_failure.kind == "timeout":
            self.end(ref, how="timed out")
        else:
            by = identity or last_failure.source
            self.end(ref, how="failed", identity=by, failure=last_failure)

    def return_from(
        self, task_token: bytes, outcome: Outcome, *, identity: str, source: str = ""
    ) -> None:
        """End an attempt by the worker's own code, with the worker's identity.

        Raises:
            ActivityGoneError: That attempt is no longer running.
        """
        self._apply(self._with_token(task_token), outcome, identity=identity, source=source)

    def reset(self, ref: ActivityExecution) -> None:
        """Reset the activity: its attempts count from 1 again, and a running one continues."""
        self._waiting(ref).reset()

    def reset_workflow(self, ref: ActivityExecution, run_id: str) -> ActivityExecution:
        """Reset the workflow to where the activity waits; return the started activity there."""
        self.close_workflow(ref, how="workflow terminated")
        moved = replace(ref, run_id=run_id)
        self.schedule(moved)
        return moved

    def close_workflow(self, ref: ActivityExecution, *, how: str) -> None:
        """Close the activity's run with all its activities."""
        for other in self._activities.values():
            if other.ref.run == ref.run and other.ended is None:
                self.end(other.ref, how=how)

    def request_cancel(self, ref: ActivityExecution) -> None:
        """Request a cancellation; between two attempts the server ends the activity at once."""
        activity = self._waiting(ref)
        activity.cancel_requested = True
        if not activity.is_started:
            self.end(ref, how="canceled", identity="the workflow's worker")

    def pause(self, ref: ActivityExecution) -> None:
        """Pause the activity: its timers stop, and no attempt starts."""
        self._waiting(ref).paused = True

    def unpause(self, ref: ActivityExecution) -> None:
        """Resume the activity."""
        self._waiting(ref).unpause()

    def set_timeout(self, ref: ActivityExecution, attempt_timeout_at: datetime | None) -> None:
        """Replace all timeouts of the activity."""
        self._waiting(ref).set_timeouts(None, attempt_timeout_at)

    def end(
        self,
        ref: ActivityExecution,
        *,
        how: str,
        identity: str = "",
        failure: LastFailure | None = None,
    ) -> None:
        """End the activity in its current attempt; `failure` is what failed it."""
        activity = self._activities.setdefault(ref, FakeActivity(ref))
        activity.end(how, self._next_instant(), identity, failure=failure)

    def _apply(
        self, activity: FakeActivity, outcome: Outcome, *, identity: str, source: str
    ) -> None:
        failure = None
        if isinstance(outcome, Failed):
            failure = LastFailure("application", outcome.message, outcome.type, source)
        if failure is not None and is_retried(outcome):
            self.back_off(activity.ref, failure, identity=identity)
        else:
            self.end(activity.ref, how=KINDS[type(outcome)], identity=identity, failure=failure)

    def _waiting(self, ref: ActivityExecution) -> FakeActivity:
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

    def _with_ids(self, ref: ActivityExecution) -> FakeActivity:
        # As in the server: the current activity with these ids, even if it is another one.
        for activity in self._activities.values():
            if activity.ended is None and _ids(activity.ref) == _ids(ref):
                return activity
        msg = "cannot find pending activity with ActivityID"
        raise ActivityGoneError(msg)

    def _next_instant(self) -> datetime:
        if self.clock is None:
            self._latest += timedelta(seconds=1)
        else:
            self._latest = max(self._latest + timedelta(microseconds=1), self.clock.now())
        return self._latest


def _ids(ref: ActivityExecution) -> tuple[str, str, str, str]:
    return ref.namespace, ref.workflow_id, ref.run_id, ref.activity_id
