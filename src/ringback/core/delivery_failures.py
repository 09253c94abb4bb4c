"""Deliveries without a verdict: why, whether to retry them, and when."""

from datetime import datetime, timedelta
from typing import Final

from ringback.domain.activity_state import Pending
from ringback.domain.callback import Accepted
from ringback.domain.durations import LONGEST, backoff
from ringback.domain.errors import (
    EncodingError,
    FinalError,
    RetryableError,
    RingbackError,
    TemporalMisconfiguredError,
)

TRIES_OF_A_MISTAKE: Final = 10
"""How often a delivery may fail because of a bug before an operator must look."""

BUDGET: Final = timedelta(days=7)
"""How long a delivery is retried without a reply of Temporal before an operator must look."""

LONGEST_ON_WRONG_SERVER: Final = timedelta(seconds=15)
"""The longest wait while a wrong server replies.

Each outcome is retried on its own then, since the same server may serve other namespaces.
"""

LONGEST_ON_FAILED_ENCODING: Final = timedelta(seconds=30)
"""The longest wait while the data converter fails or hangs: each try may last for its timeout."""


def must_park(accepted: Accepted, ended: Exception | Pending | None, now: datetime) -> bool:
    """Return whether a delivery that ended so is parked instead of retried."""
    match ended:
        case FinalError():
            return True
        case RetryableError():
            return now - accepted.accepted_at >= BUDGET
        case Exception():
            return accepted.tries >= TRIES_OF_A_MISTAKE
        case _:
            return False


def compute_wait(tries: int, ended: Exception | Pending | None, *, jitter: float) -> timedelta:
    """Return the wait before the next try."""
    is_misconfigured = isinstance(ended, TemporalMisconfiguredError)
    if isinstance(ended, EncodingError):
        return backoff(tries, jitter=jitter, longest=LONGEST_ON_FAILED_ENCODING)
    longest = LONGEST_ON_WRONG_SERVER if is_misconfigured else LONGEST
    return backoff(tries, jitter=jitter, longest=longest)


def describe_failure(ended: Exception | Pending | None) -> str:
    """Return why a delivery has no verdict, in a sentence."""
    match ended:
        case None:
            return "this Temporal does not know the activity"
        case Pending():
            return "the next attempt will receive it"
        case RingbackError():
            return str(ended)
        case _:
            # The message of an unknown error may contain a payload.
            return f"a bug in Ringback: {type(ended).__name__}"
