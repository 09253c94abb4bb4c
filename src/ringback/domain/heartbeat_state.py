"""The heartbeats of an attempt."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ringback.domain.durations import LONGEST_DURATION

DETAILS_INTERVAL: Final = timedelta(seconds=1)
"""Minimum interval for forwarding details of an activity without a heartbeat timeout."""


@dataclass(frozen=True, slots=True)
class HeartbeatState:
    """The heartbeats of the latest attempt.

    Attributes:
        timeout: Temporal's heartbeat timeout; `None` if there is none.
        details: The sender's latest details, as one JSON value; Temporal may not have them yet.
        heartbeat_received_at: When the sender's latest heartbeat arrived.
        heartbeat_sent_at: When Temporal accepted the latest heartbeat for this attempt.
        heartbeat_due_at: When the next heartbeat is due, if any.
    """

    timeout: timedelta | None = None
    details: bytes | None = field(default=None, repr=False)
    heartbeat_received_at: datetime | None = None
    heartbeat_sent_at: datetime | None = None
    heartbeat_due_at: datetime | None = None

    @property
    def gap(self) -> timedelta:
        """The minimum interval between heartbeats to Temporal: half the timeout.

        So a lost heartbeat can be repeated in time, and the load on Temporal does not depend on
        the sender.
        """
        return DETAILS_INTERVAL if self.timeout is None else min(self.timeout, LONGEST_DURATION) / 2
