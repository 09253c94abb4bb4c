"""Vitals: the heartbeats of an attempt."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ringback.domain.durations import LONGEST_DURATION

UNHURRIED: Final = timedelta(seconds=1)
"""How often, at most, details are passed on for an activity that has no heartbeat time-out."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """The signs of life of the attempt that asked last.

    Attributes:
        timeout: Temporal's heartbeat time-out; `None` if there is none.
        details: What the outside said last, as one JSON value; Temporal may not have it yet.
        noted_at: When the outside gave its last sign of life.
        beaten_at: When Temporal took the last heartbeat for this attempt.
        beat_due_at: When the next one is due; `None` while none is.
    """

    timeout: timedelta | None = None
    details: bytes | None = field(default=None, repr=False)
    noted_at: datetime | None = None
    beaten_at: datetime | None = None
    beat_due_at: datetime | None = None

    @property
    def gap(self) -> timedelta:
        """How long after one heartbeat the next is passed on: half the time-out.

        So one that is lost can be repeated in time, and Temporal gets no more of them than that,
        whatever the outside sends.
        """
        return UNHURRIED if self.timeout is None else min(self.timeout, LONGEST_DURATION) / 2
