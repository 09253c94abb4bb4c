"""One activity as the server keeps it, and what attempts, operators and workflows do to it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ringback.domain.callback import ActivityExecution
from ringback.ports.activities import Ended, LastFailure, Pending


@dataclass
class FakeActivity:
    """An activity, as far as `ringback.ports.activities` can show it.

    Attributes:
        ref: Which activity it is.
        start_to_close: How long an attempt may take.
        ends_by: When it times out, whichever attempt it is at.
        heartbeat_timeout: How long an attempt may be without a heartbeat.
        ended: How it ended, once it has.
    """

    ref: ActivityExecution
    start_to_close: timedelta | None = None
    ends_by: datetime | None = None
    heartbeat_timeout: timedelta | None = None
    ended: Ended | None = None
    attempt: int = 1
    started_at: datetime | None = None
    cancel_requested: bool = False
    paused: bool = False
    was_reset: bool = False
    last_failure: LastFailure | None = None

    @property
    def task_token(self) -> bytes:
        """What names the present attempt; like Temporal's, it tells only its number."""
        return f"{self.ref} {self.attempt}".encode()

    @property
    def is_started(self) -> bool:
        """Whether an attempt runs."""
        return self.started_at is not None

    @property
    def activity_state(self) -> Pending | Ended:
        """How it waits, or how it ended."""
        return self.ended or Pending(
            attempt=self.attempt,
            is_started=self.is_started,
            started_at=self.started_at,
            cancel_requested=self.cancel_requested,
            paused=self.paused,
            attempt_timeout_at=self._timeout_at(),
            last_failure=self.last_failure,
            heartbeat_timeout=self.heartbeat_timeout,
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
        """Let a worker take the attempt that waits."""
        self.started_at = at
        self.was_reset = False

    def is_at_its_last(self, most_attempts: int) -> bool:
        """Tell whether a failure ends it now: an attempt more is given to one that is paused."""
        was_the_last = 0 < most_attempts <= self.attempt and not self.paused
        return self.cancel_requested or was_the_last

    def back_off(self, last_failure: LastFailure) -> None:
        """Let the present attempt end; the next one waits for its time."""
        self.attempt += 1
        self.started_at = None
        self.last_failure = last_failure

    def reset(self) -> None:
        """Count attempts from 1 again; one that runs runs on, under the number 1."""
        self.attempt = 1
        self.paused = False
        self.was_reset = self.is_started
        self._forget_in_back_off()

    def unpause(self) -> None:
        """Let it go on."""
        self.paused = False
        self._forget_in_back_off()

    def set_timeouts(self, start_to_close: timedelta | None, ends_by: datetime | None) -> None:
        """Give it other timeouts."""
        self.start_to_close, self.ends_by = start_to_close, ends_by
        self._forget_in_back_off()

    def _forget_in_back_off(self) -> None:
        # Whatever an operator changes between two attempts clears the failure (observed, 1.32).
        if not self.is_started:
            self.last_failure = None

    def end(self, how: str, at: datetime, identity: str) -> None:
        """Let it end; which attempt was the last is known unless none was begun for it."""
        is_attempt_shown = self.is_started or how == "completed" or how.startswith("workflow ")
        self.ended = Ended(how, at, identity, 7)
        if is_attempt_shown:
            started_at = at if how == "completed" and not self.is_started else self.started_at
            self.ended = replace(
                self.ended,
                attempt=self.attempt,
                started_at=started_at,
                last_failure=self.last_failure,
            )
