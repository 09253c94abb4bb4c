"""Failures: of deliveries without a verdict, and whether one in Temporal is an accepted outcome."""

from datetime import datetime, timedelta
from typing import Final

from ringback.domain.activity_state import LastFailure, Pending
from ringback.domain.callback import Accepted
from ringback.domain.durations import LONGEST, backoff
from ringback.domain.errors import (
    EncodingError,
    FinalError,
    RetryableError,
    RingbackError,
    TemporalMisconfiguredError,
)
from ringback.domain.ids import to_identity
from ringback.domain.outcome import Failed

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


def is_failure_of(accepted: Accepted, last_failure: LastFailure | None) -> bool:
    """Return whether an attempt ended with the accepted failure, or with an error caused by it.

    A delivered failure has the outcome's identity as its source, and so has one that an attempt
    received inline and raised. A worker in another language does not set it, so the message and the
    type are compared too.
    """
    if last_failure is None or not isinstance(accepted.outcome, Failed):
        return False
    if is_signed(accepted, last_failure):
        return True
    is_readable = not last_failure.is_encoded
    has_its_message = is_readable and last_failure.message == accepted.outcome.message
    return _may_be_inline(accepted, last_failure) and has_its_message


def is_signed(accepted: Accepted, failure: LastFailure) -> bool:
    """Return whether the outcome's identity is in `failure`, or in what caused it."""
    ours = to_identity(accepted.id)
    # The cause of a timeout is how the attempt before ended.
    is_caused = failure.kind == "application" and ours in failure.causes
    return failure.source == ours or is_caused


def is_recognizable(accepted: Accepted, failure: LastFailure | None) -> bool:
    """Return whether `is_failure_of` can decide; it cannot if only an encoded message would tell.

    That is so where a worker in another language raised a failure of the same type.
    """
    if failure is None:
        return False
    is_hidden = failure.is_encoded and _may_be_inline(accepted, failure)
    return is_signed(accepted, failure) or not is_hidden


def _may_be_inline(accepted: Accepted, failure: LastFailure) -> bool:
    """Return whether an attempt may have raised `failure` because it received it inline."""
    return (
        isinstance(accepted.outcome, Failed)
        and accepted.delivered_inline_attempt is not None
        and failure.kind == "application"
        and failure.type == accepted.outcome.type
    )
