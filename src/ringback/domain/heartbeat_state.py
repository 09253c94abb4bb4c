"""Vitals: the heartbeats of an attempt."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ringback.domain.durations import LONGEST_DURATION

DETAILS_INTERVAL: Final = timedelta(seconds=1)
"""How often, at most, details are passed on for an activity that has no heartbeat timeout."""


@dataclass(frozen=True, slots=True)
class HeartbeatState:
    """The signs of life of the attempt that asked last.

    Attributes:
        timeout: Temporal's heartbeat timeout; `None` if there is none.
        details: What the outside said last, as one JSON value; Temporal may not have it yet.
        heartbeat_received_at: When the outside gave its last sign of life.
        heartbeat_sent_at: When Temporal took the last heartbeat for this attempt.
        heartbeat_due_at: When the next one is due; `None` while none is.
    """

    timeout: timedelta | None = None
    details: bytes | None = field(default=None, repr=False)
    heartbeat_received_at: datetime | None = None
    heartbeat_sent_at: datetime | None = None
    heartbeat_due_at: datetime | None = None

    @property
    def gap(self) -> timedelta:
        """How long after one heartbeat the next is passed on: half the timeout.

        So one that is lost can be repeated in time, and Temporal gets no more of them than that,
        whatever the outside sends.
        """
        return DETAILS_INTERVAL if self.timeout is None else min(self.timeout, LONGEST_DURATION) / 2
