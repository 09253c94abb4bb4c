"""What the completion client raises: what an activity that is told something may answer."""

from typing import Protocol

from ringback.domain.errors import FinalError, RetryableError, RingbackError


class CancellationDetails(Protocol):
    """Why an activity should stop, as `temporalio.activity.ActivityCancellationDetails` has it."""

    @property
    def cancel_requested(self) -> bool: ...  # noqa: D102 - the class says it

    @property
    def paused(self) -> bool: ...  # noqa: D102 - the class says it

    @property
    def reset(self) -> bool: ...  # noqa: D102 - the class says it


class ActivityNotFoundError(FinalError):
    """Temporal knows no such activity that waits: it has ended, or another attempt runs."""


class _AskedToStop(Exception):  # noqa: N818 - it is only what the three below have in common
    """What a heartbeat brought back; `details` tells all of it. The heartbeat itself was kept."""

    def __init__(self, message: str, details: CancellationDetails) -> None:
        super().__init__(message)
        self.details = details


class ActivityCancelledError(_AskedToStop, FinalError):
    """The activity is asked to cancel: stop the work, then report the cancellation.

    Attributes:
        details: All that Temporal said; it may be paused and reset as well.
    """


class ActivityResetError(_AskedToStop, FinalError):
    """An operator has reset the activity: the work should begin anew.

    The token of a later attempt than the first is dead then, and by ids the activity still takes
    its answer.

    Attributes:
        details: All that Temporal said.
    """


class ActivityPausedError(_AskedToStop, RetryableError):
    """An operator has paused the activity: wait until it goes on. It still takes an answer.

    Attributes:
        details: All that Temporal said; it may be reset as well.
    """


class ActivityCompletionError(RingbackError):
    """What an activity was told did not reach it, or may not have; its subclasses say which.

    Each of them is final or retryable as well.
    """

    @property
    def cause(self) -> BaseException | None:
        """What the connection or the server raised."""
        return self.__cause__


class CompletionRefusedError(ActivityCompletionError, FinalError):
    """Temporal refused it, or would have; the activity stays as it was. The message says why."""


class UnusableTokenError(CompletionRefusedError):
    """This is no task token of an activity that the client can reach; nothing was sent."""


class CompletionUnprovenError(ActivityCompletionError, FinalError):
    """The reply was lost, and nothing shows any more whether the call was applied.

    The activity, or the attempt, has ended; whether by this call is not known.

    Attributes:
        identity: What the call went by, as Temporal would show it: search for it.
    """

    def __init__(self, message: str, *, identity: str) -> None:
        super().__init__(message)
        self.identity = identity


class CompletionUnansweredError(ActivityCompletionError, RetryableError):
    """Temporal took it in none of several tries, or did not say so; it may work later.

    Attributes:
        may_be_applied: Whether a reply was lost. If so, "not found" may be the answer to a repeat,
            and by ids a repeat may reach a later attempt, or a later activity of the same id.
        identity: What the call went by, as Temporal would show it.
    """

    def __init__(self, message: str, *, may_be_applied: bool, identity: str) -> None:
        super().__init__(message)
        self.may_be_applied = may_be_applied
        self.identity = identity
