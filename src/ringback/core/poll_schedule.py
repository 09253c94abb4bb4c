"""Rhythm: how often Temporal is asked about open callbacks, within a budget of requests."""

from datetime import datetime, timedelta
from typing import Final

from ringback.domain.callback import Callback

EVERY: Final = timedelta(seconds=1)
"""How often the next ones are looked at."""

SHORTEST: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(seconds=5)
"""For how long an open callback is not looked at, where the budget allows it."""

_PATIENCE: Final = timedelta(hours=1)
"""And where it does not: after a look takes its turn, however many wait."""

_RELIEF: Final = 1.1
_MARGIN: Final = timedelta(seconds=1)


class PollSchedule:
    """Spreads the looks: often while a question is young, then as seldom as the budget needs.

    A namespace of Temporal Cloud takes 2,000 requests a second; with 100,000 open callbacks, one
    look at each every minute would be 1,667 of them.
    """

    def __init__(self, per_second: int) -> None:
        """Allow looks at so many runs a second."""
        self.per_tick = max(1, round(per_second * EVERY.total_seconds()))
        self.longest = LONGEST

    def record(self, *, is_behind: bool) -> None:
        """Take note of whether more wait than could be looked at.

        To look at them all takes as long as that has lasted, so no look is due again before.
        """
        if is_behind:
            self.longest = min(_PATIENCE, self.longest + EVERY)
        else:
            self.longest = max(LONGEST, self.longest / _RELIEF)

    def poll_in(
        self, callback: Callback, attempt_timeout_at: datetime | None, now: datetime
    ) -> timedelta:
        """Return when to look again at a callback that was just seen.

        After its age: what happens soon is seen soon, and a look at the first day of a long wait
        tells little. Right after the timeout in any case.
        """
        age = max(SHORTEST, now - callback.opened_at)
        wait = min(age, self.longest)
        if attempt_timeout_at is not None and now <= attempt_timeout_at:
            wait = min(wait, attempt_timeout_at - now + _MARGIN)
        return wait
