"""Temporal for tests of activities: retry policies, and word of each change."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import uuid4

from temporalio.common import RetryPolicy

from ringback.domain.activity_state import Ended, LastFailure
from ringback.domain.callback import ActivityExecution
from ringback.domain.opening import RunningAttempt
from ringback.domain.outcome import POLL_TYPE, RESUME_TYPE, Outcome
from ringback.ports.activities import AttemptRef
from ringback.testing.fake_activities import FakeActivities, FakeIdentifier
from ringback.testing.fake_activity import FakeActivity

_TIMEOUT: Final = LastFailure("timeout", "activity StartToClose timeout", None)


@dataclass(kw_only=True)
class KitActivities(FakeActivities):
    """Activities of a test, each with its own retry policy.

    Attributes:
        on_change: Called when an activity has backed off or ended.
        policies: The retry policies; without one, the first failure ends an activity, except one
            by which the gateway lets it continue or poll in its next attempt.
        outcomes: The last outcome of each activity that somebody delivered or returned.
    """

    on_change: Callable[[], None] = lambda: None
    policies: dict[ActivityExecution, RetryPolicy | None] = field(default_factory=dict)
    outcomes: dict[ActivityExecution, Outcome] = field(default_factory=dict)

    def ended(self, ref: ActivityExecution) -> Ended | None:
        """Return how an activity ended; `None` while it is pending."""
        return self._activities[ref].ended

    def time_out(self, ref: ActivityExecution) -> None:
        """Time out a pending activity, or its attempt: whichever is due now."""
        ends_by = self._activities[ref].ends_by
        assert self.clock is not None, "the environment has a clock"
        if ends_by is not None and ends_by <= self.clock.now():
            self.end(ref, how="timed out")
        else:
            self.back_off(ref, _TIMEOUT)

    def back_off(
        self, ref: ActivityExecution, last_failure: LastFailure, *, identity: str | None = None
    ) -> None:
        """End the current attempt; the next one follows if the retry policy allows it."""
        policy = self.policies.get(ref)
        may_retry = last_failure.type in (RESUME_TYPE, POLL_TYPE) or policy is not None
        non_retryable = () if policy is None else policy.non_retryable_error_types or ()
        if not may_retry or last_failure.type in non_retryable:
            self.most_attempts = 1
        else:
            self.most_attempts = 0 if policy is None else policy.maximum_attempts
        super().back_off(ref, last_failure, identity=identity)
        self.on_change()

    def time_out_attempt(self, ref: ActivityExecution) -> None:
        """End the current attempt by a timeout; another one follows, whatever the policy says."""
        self.most_attempts = 0
        super().back_off(ref, _TIMEOUT)
        self.on_change()

    def end(
        self,
        ref: ActivityExecution,
        *,
        how: str,
        identity: str = "",
        failure: LastFailure | None = None,
    ) -> None:
        """End the activity."""
        super().end(ref, how=how, identity=identity, failure=failure)
        self.on_change()

    def unpause(self, ref: ActivityExecution) -> None:
        """Let the activity go on, unless it has ended in the meantime."""
        if self.pending(ref) is not None:
            super().unpause(ref)
            self.on_change()

    def move(self, ref: ActivityExecution) -> ActivityExecution:
        """Reset the workflow to where the activity waits; its first attempt there may start."""
        moved = replace(ref, run_id=str(uuid4()))
        before = self._activities[ref]
        self.close_workflow(ref, how="workflow terminated")
        self.schedule(
            moved,
            is_started=False,
            start_to_close=before.start_to_close,
            heartbeat_timeout=before.heartbeat_timeout,
        )
        self._activities[moved].ends_by = before.ends_by
        self.policies[moved] = self.policies.get(ref)
        return moved

    def _apply(
        self, activity: FakeActivity, outcome: Outcome, *, identity: str, source: str
    ) -> None:
        self.outcomes[activity.ref] = outcome
        super()._apply(activity, outcome, identity=identity, source=source)


class KitIdentifier(FakeIdentifier):
    """Believes what an attempt of the test says of itself."""

    async def identify(self, named: AttemptRef) -> RunningAttempt:
        """Return the attempt as it is named."""
        return named.known or await super().identify(named)
