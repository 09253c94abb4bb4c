"""What a request ended with, and the typed error that stands for it: one table."""

from enum import Enum, auto
from typing import Final

from temporalio.service import RPCError, RPCStatusCode

from ringback.domain.callback import ActivityExecution
from ringback.domain.errors import (
    ActivityGoneError,
    RefusedByTemporalError,
    RingbackError,
    TemporalBusyError,
    TemporalMisconfiguredError,
    TemporalUnreachableError,
)
from ringback.temporal.translate import to_error


class Answer(Enum):
    """What a request ended with that did not succeed."""

    GONE = auto()
    """Temporal knows no such activity that waits."""

    REFUSED = auto()
    """Temporal will not take it, and nothing has changed."""

    NOT_TAKEN = auto()
    """It did not get there, or there was no room for it: nothing has changed, and it may pass."""

    LOST = auto()
    """No reply, or one that does not say whether it was applied."""


ANSWERS: Final[dict[type[RingbackError], Answer]] = {
    ActivityGoneError: Answer.GONE,
    RefusedByTemporalError: Answer.REFUSED,
    TemporalBusyError: Answer.NOT_TAKEN,
    TemporalUnreachableError: Answer.LOST,
    # A gateway retries until somebody corrects the configuration; a program is told at once.
    TemporalMisconfiguredError: Answer.REFUSED,
}
"""What each error of `ringback.temporal.translate` means for a call."""

_NEVER_SENT: Final = "connect error"


def judge(exc: RPCError | RuntimeError, about: ActivityExecution | None = None) -> Answer:
    """Return what a request `about` an activity ended with that raised `exc`."""
    if not isinstance(exc, RPCError) or _was_never_sent(exc):
        return Answer.NOT_TAKEN
    return ANSWERS[type(to_error(exc, about))]


def _was_never_sent(exc: RPCError) -> bool:
    # The client found nobody at the address: "tcp connect error" (observed with temporalio 1.35).
    return exc.status is RPCStatusCode.UNAVAILABLE and _NEVER_SENT in exc.message


def told(exc: RPCError | RuntimeError) -> str:
    """Return what the server, or the connection, said."""
    return f"{exc.status.name}: {exc.message}" if isinstance(exc, RPCError) else str(exc)
