"""An activity for tests, as Temporal's server keeps it."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from temporalio.common import RetryPolicy

from ringback.domain.activity_state import Ended, LastFailure, Pending
from ringback.domain.callback import ActivityExecution


@dataclass
class FakeActivity:
    """An activity with the state that `ringback.ports.activities` shows.

    Attributes:
        ref: The activity.
        start_to_close: The timeout of an attempt.
        ends_by: When it times out, at any attempt.
        heartbeat_timeout: The heartbeat timeout of an attempt.
        retry_policy: What is shown of its retry policy; `most_attempts` counts.
        ended: How it ended, if it has.
    """

    ref: ActivityExecution
    start_to_close: timedelta | None = None
    ends_by: datetime | None = None
    heartbeat_timeout: timedelta | None = None
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    ended: Ended | None = None
    attempt: int = 1
    started_at: datetime | None = None
    cancel_requested: bool = False
    paused: bool = False
    was_reset: bool = False
    last_failure: LastFailure | None = None

    @property
    def task_token(self) -> bytes:
        """The token of the current attempt; like Temporal's, it contains only the number."""
        return f"{self.ref} {self.attempt}".encode()

    @property
    def is_started(self) -> bool:
        """Whether an attempt runs."""
        return self.started_at is not None

    @property
    def activity_state(self) -> Pending | Ended:
        """The pending state, or how it ended."""
        return self.ended or Pending(
            attempt=self.attempt,
            is_started=self.is_started,
            started_at=self.started_at,
            cancel_requested=self.cancel_requested,
            paused=self.paused,
            attempt_timeout_at=self._timeout_at(),
            last_failure=self.last_failure,
            heartbeat_timeout=self.heartbeat_timeout,
            times_out_at=None if self.paused else self.ends_by,
            maximum_attempts=self.retry_policy.maximum_attempts,
            non_retryable_types=tuple(self.retry_policy.non_retryable_error_types or ()),
        )

    def _timeout_at(self) -> datetime | None:
        if self.paused:
            # A pause stops every timer.
            return None
        ends = [self.ends_by]
        if self.started_at is not None and self.start_to_close is not None:
            ends.append(self.started_at + self.start_to_close)
        return min(filter(None, ends), default=None)

    def start(self, at: datetime) -> None:
        """Start the waiting attempt on a worker."""
        self.started_at = at
        self.was_reset = False

    def is_at_its_last(self, most_attempts: int) -> bool:
        """Return whether a failure ends it now: a paused activity gets one more attempt."""
        was_the_last = 0 < most_attempts <= self.attempt and not self.paused
        return self.cancel_requested or was_the_last

    def back_off(self, last_failure: LastFailure) -> None:
        """End the current attempt; the next one starts after the backoff."""
        self.attempt += 1
        self.started_at = None
        self.last_failure = last_failure

    def reset(self) -> None:
        """Count attempts from 1 again; a running one continues under the number 1."""
        self.attempt = 1
        self.paused = False
        self.was_reset = self.is_started
        self._forget_in_back_off()

    def unpause(self) -> None:
        """Resume it."""
        self.paused = False
        self._forget_in_back_off()

    def set_timeouts(self, start_to_close: timedelta | None, ends_by: datetime | None) -> None:
        """Change its timeouts."""
        self.start_to_close, self.ends_by = start_to_close, ends_by
        self._forget_in_back_off()

    def _forget_in_back_off(self) -> None:
        # An operator's change between two attempts clears the failure (observed on server 1.32).
        if not self.is_started:
            self.last_failure = None

    def end(
        self, how: str, at: datetime, identity: str, *, failure: LastFailure | None = None
    ) -> None:
        """End it; the end names the last attempt if one was started."""
        is_attempt_shown = self.is_started or how == "completed" or how.startswith("workflow ")
        self.ended = Ended(how, at, identity, 7, failure=failure)
        if is_attempt_shown:
            started_at = at if how == "completed" and not self.is_started else self.started_at
            self.ended = replace(
                self.ended,
                attempt=self.attempt,
                started_at=started_at,
                last_failure=self.last_failure,
            )
