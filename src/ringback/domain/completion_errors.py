"""Errors of the completion client."""

from typing import Any

from ringback.domain.errors import FinalError, RetryableError, RingbackError


class ActivityNotFoundError(FinalError):
    """No such activity waits in Temporal: it has ended, or another attempt runs."""


class _StopRequested(Exception):  # noqa: N818 - the common part of the three errors below
    """The reply to a heartbeat asks the activity to stop; Temporal recorded the heartbeat."""

    def __init__(self, message: str, details: Any = None) -> None:
        super().__init__(message)
        self.details = details


class ActivityCancelledError(_StopRequested, FinalError):
    """The activity was asked to cancel: stop the work, then report the cancellation.

    Attributes:
        details: Temporal's full reply, `temporalio.activity.ActivityCancellationDetails`: the
            activity may be paused and reset as well. Code that raises the error itself may pass
            any value.
    """


class ActivityResetError(_StopRequested, FinalError):
    """An operator reset the activity: start the work again.

    The task token of an attempt after the first is invalid then; by ids, the activity still
    accepts its answer.

    Attributes:
        details: As those of `ActivityCancelledError`.
    """


class ActivityPausedError(_StopRequested, RetryableError):
    """An operator paused the activity: wait until it is unpaused. It still accepts an answer.

    Attributes:
        details: As those of `ActivityCancelledError`; the activity may be reset as well.
    """


class ActivityCompletionError(RingbackError):
    """A call did not reach the activity, or may not have reached it.

    Each subclass is final or retryable as well.
    """

    def __init__(self, message: str, cause: BaseException | None = None) -> None:
        super().__init__(message)
        self.__cause__ = cause

    @property
    def cause(self) -> BaseException | None:
        """The error of the connection or the server, as after `raise … from`."""
        return self.__cause__


class CompletionRefusedError(ActivityCompletionError, FinalError):
    """Temporal rejected the call, or would have, and the message says why. Nothing changed."""


class UnusableTokenError(CompletionRefusedError):
    """Not a task token of an activity that the client can reach; nothing was sent."""


class CompletionUnprovenError(ActivityCompletionError, FinalError):
    """The reply was lost, and it can no longer be proved whether the call was applied.

    The activity or the attempt has ended, perhaps by this call.

    Attributes:
        identity: The identity of the call, which Temporal's history would show.
    """

    def __init__(self, message: str, *, identity: str) -> None:
        super().__init__(message)
        self.identity = identity


class CompletionUnansweredError(ActivityCompletionError, RetryableError):
    """No try succeeded, or a reply was lost; the call may succeed later.

    Attributes:
        may_be_applied: Whether a reply was lost. If so, repeating the call may return "not found";
            by ids it may reach a later attempt, or a later activity with the same id.
        identity: The identity of the call, which Temporal's history would show.
    """

    def __init__(self, message: str, *, may_be_applied: bool, identity: str) -> None:
        super().__init__(message)
        self.may_be_applied = may_be_applied
        self.identity = identity
