"""Due times that a clock which was set back has left too far ahead."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LongestWaits:
    """How far ahead work may be due, at most.

    A heartbeat's own limit is the heartbeat timeout of its activity.

    Attributes:
        delivery: A delivery to Temporal: the longest lease or backoff.
        webhook: A message to the outside.
        poll: A poll at an open callback.
    """

    delivery: timedelta
    webhook: timedelta
    poll: timedelta


class DueTimes(Protocol):
    """Repairs due times; deadlines are real times and stay as they are."""

    async def pull_in(self, longest: LongestWaits) -> int:
        """Make due now what is due further ahead than anything waits; return how much that was.

        Such a due time was written before the clock was set back. At most 1,000 of each kind are
        repaired at a time.
        """
        ...
