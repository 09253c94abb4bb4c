"""Temporal in the model, which remembers more than it shows."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime

from ringback.domain.activity_state import LastFailure, Pending
from ringback.domain.callback import ActivityExecution
from ringback.testing import FakeActivities


@dataclass(frozen=True)
class EndedAttempt:
    """An attempt that another one followed.

    Attributes:
        number: Its number when it ended: an operator's reset may have changed it.
        started_at: When it was started.
    """

    number: int
    started_at: datetime


@dataclass(kw_only=True)
class Activities(FakeActivities):
    """Temporal, which shows the limit of attempts that counts.

    Attributes:
        ended_attempts: The attempts that another one followed.
    """

    ended_attempts: defaultdict[ActivityExecution, list[EndedAttempt]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def pending(self, ref: ActivityExecution) -> Pending | None:
        """Return the pending state, with the limit."""
        found = super().pending(ref)
        return found and replace(found, maximum_attempts=self.most_attempts)

    def back_off(
        self, ref: ActivityExecution, last_failure: LastFailure, *, identity: str | None = None
    ) -> None:
        """End the current attempt, and remember which one that was."""
        was = self.pending(ref)
        super().back_off(ref, last_failure, identity=identity)
        if was is not None and was.started_at is not None and self.pending(ref) is not None:
            self.ended_attempts[ref].append(EndedAttempt(was.attempt, was.started_at))
