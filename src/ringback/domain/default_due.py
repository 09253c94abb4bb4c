"""When a default answer is due."""

from datetime import datetime, timedelta
from typing import Final

MAX_LEAD: Final = timedelta(seconds=5)
"""The longest time before a Temporal timeout at which a default answer is accepted."""

MAX_RESUME_LEAD: Final = timedelta(seconds=20)
"""The same with `resume`: then the default continues in another attempt, a second later."""


def default_due_at(
    opened_at: datetime,
    own_deadline_at: datetime | None,
    attempt_timeout_at: datetime | None,
    *,
    resume: bool = False,
) -> datetime | None:
    """Return when a default answer is due: at the deadline, or shortly before Temporal's timeout.

    It must reach Temporal before the attempt times out, so it is due a tenth of the attempt's time
    earlier, at most `MAX_LEAD`. With `resume` it is half of the time, at most `MAX_RESUME_LEAD`:
    the next attempt needs time too if the timeout is that of the activity.
    """
    if attempt_timeout_at is not None:
        share, longest = (2, MAX_RESUME_LEAD) if resume else (10, MAX_LEAD)
        time_left = max(timedelta(0), attempt_timeout_at - opened_at)
        attempt_timeout_at -= min(longest, time_left / share)
    return min(filter(None, (own_deadline_at, attempt_timeout_at)), default=None)
