"""Ringback's errors.

RingbackError
├── FinalError                      do not retry
│   ├── ConfigurationError
│   ├── NotWiredError
│   ├── UnknownCallbackError
│   ├── UnreadableCallbackError
│   ├── UnknownKeyError
│   ├── NotAllowedError
│   ├── MalformedRequestError
│   ├── ExpiredCallbackError
│   ├── AnsweredDifferentlyError
│   ├── NoCancelRequestedError
│   ├── CannotExtendError
│   ├── NotParkedError
│   ├── MalformedAnswerError
│   │   ├── UnsupportedMediaTypeError
│   │   ├── AnswerTooLargeError
│   │   ├── WrongResultError
│   │   └── WrongVoteError
│   ├── ActivityGoneError
│   ├── RefusedByTemporalError
│   ├── GatewayRefusedError
│   ├── IllegalMoveError
│   ├── ProgramEndedError
│   ├── ActivityNotFoundError
│   ├── ActivityCancelledError
│   ├── ActivityResetError
│   ├── CompletionRefusedError      (below, too)
│   │   └── UnusableTokenError
│   ├── CompletionUnprovenError     (below, too)
│   ├── NotSignedInError
│   ├── CrossSiteRequestError
│   ├── SignInRefusedError
│   ├── UnknownSignInUrlError
│   ├── UnknownSessionError
│   ├── PeopleDecideError
│   ├── NotAssignedError
│   ├── ClaimedError
│   ├── SubjectChangedError
│   ├── VotedDifferentlyError
│   ├── VoteWithdrawnError
│   ├── UnknownAliasError
│   ├── AliasFreedError
│   ├── UnknownEventError
│   ├── CannotReplayError
│   ├── UnknownSourceError
│   ├── DeletedCallbackError
│   └── StillNeededError
├── RetryableError                  retry later
│   ├── StoreUnavailableError
│   ├── QueueUnavailableError
│   ├── EncodingError
│   ├── GatewayUnavailableError
│   ├── TemporalUnreachableError
│   │   ├── TemporalBusyError
│   │   └── TemporalMisconfiguredError
│   ├── ActivityPausedError
│   ├── CompletionUnansweredError   (below, too)
│   ├── IdentityProviderUnavailableError
│   ├── AliasInUseError
│   ├── TooManyRequestsError
│   └── TooManyBytesError
└── ActivityCompletionError         a call did not reach the activity, or may not have
    ├── CompletionRefusedError
    │   └── UnusableTokenError
    ├── CompletionUnprovenError
    └── CompletionUnansweredError

Other modules named `…_errors` define more. Each error has an HTTP status and an exit code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ringback.domain.ids import CallbackId


class RingbackError(Exception):
    """The base of all errors that Ringback raises on purpose."""


class FinalError(RingbackError):
    """Retrying cannot succeed."""


class ConfigurationError(FinalError):
    """A setting is missing or invalid; the message names it and says what to set."""


class NotWiredError(FinalError):
    """The code does not run in an activity of a worker with a `RingbackPlugin`.

    Connect its client with `plugins=[RingbackPlugin()]`. Use threads instead of a process pool.
    """


class UnknownCallbackError(FinalError):
    """The link or callback is unknown, or the link is edited, expired or for another verb."""


class UnreadableCallbackError(FinalError):
    """The stored row of a callback cannot be read; the gateway's log says what is wrong with it."""

    def __init__(self, callback_id: CallbackId) -> None:
        super().__init__(f"the stored row of {callback_id} cannot be read; an operator must fix it")


class UnknownKeyError(FinalError):
    """The API key is missing, unknown, mistyped or revoked; `ringback keys add` creates one."""


class NotAllowedError(FinalError):
    """The role of this API key does not allow the operation; use a key with another role."""


class MalformedRequestError(FinalError):
    """A request of the operator API is invalid; the error does not repeat its values.

    Attributes:
        problems: What is wrong, and where: a JSON Pointer into the body, or a parameter's name.
    """

    def __init__(self, problems: "Sequence[Problem]") -> None:
        said = "; ".join(f"{one.path or 'the body'}: {one.message}" for one in problems)
        super().__init__(f"this cannot be used: {said}")
        self.problems = problems


class ExpiredCallbackError(FinalError):
    """The activity ended before the answer arrived.

    Attributes:
        callback_id: The callback that expired.
        reason: What ended the activity, in a sentence.
        expired_at: When Ringback found that.
    """

    def __init__(self, callback_id: CallbackId, reason: str, expired_at: datetime) -> None:
        super().__init__(f"too late: {reason}")
        self.callback_id = callback_id
        self.reason = reason
        self.expired_at = expired_at


class AnsweredDifferentlyError(FinalError):
    """Another outcome was accepted first; this one is stored as evidence only.

    Attributes:
        callback_id: The callback.
        accepted_at: When the first outcome was accepted.
    """

    def __init__(self, callback_id: CallbackId, accepted_at: datetime) -> None:
        super().__init__("another answer was accepted first")
        self.callback_id = callback_id
        self.accepted_at = accepted_at


class NoCancelRequestedError(FinalError):
    """No cancellation was requested, so none can be reported.

    Temporal rejects such a report. Fail the activity, or wait until `cancel_requested` is true.
    """


class CannotExtendError(FinalError):
    """The deadline cannot be changed like this; the message says why, and what is possible."""


class NotParkedError(FinalError):
    """Only a parked outcome can be redelivered or given up."""


class MalformedAnswerError(FinalError):
    """The body is malformed; the message says where."""


class UnsupportedMediaTypeError(MalformedAnswerError):
    """The body's media type cannot become a result; send `application/json`."""


class AnswerTooLargeError(MalformedAnswerError):
    """The answer has more than `limit` bytes, which is what the gateway or Temporal accepts."""

    def __init__(self, limit: int, what: str = "the body", *, advice: str = "") -> None:
        super().__init__(f"{what} is larger than {limit} bytes" + (advice and f"; {advice}"))
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a result.

    Attributes:
        path: Where, as a JSON Pointer (RFC 6901); empty for the whole result.
        message: What is wrong there.
    """

    path: str
    message: str


class WrongResultError(MalformedAnswerError):
    """The result does not have the type that the activity returns.

    Temporal would accept it, but the workflow could not read it.

    Attributes:
        problems: What is wrong, and where.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        said = "; ".join(f"{one.path or 'the result'}: {one.message}" for one in problems)
        super().__init__(f"this is not what the activity returns: {said}")
        self.problems = problems


class ActivityGoneError(FinalError):
    """Temporal replied NOT_FOUND, or the attempt has ended.

    NOT_FOUND proves neither the reason nor whether an earlier try was applied; history does.
    """


class RefusedByTemporalError(FinalError):
    """Temporal rejected the request and the activity is unchanged; the message is Temporal's."""


class GatewayRefusedError(FinalError):
    """The gateway rejected a request of this client; the message is the gateway's.

    Attributes:
        status: The HTTP status.
        title: The kind of the problem, as in its `type`, "answered differently", "not found".
    """

    def __init__(self, message: str, *, status: int, title: str) -> None:
        super().__init__(message)
        self.status = status
        self.title = title


class IllegalMoveError(FinalError):
    """A callback cannot move from its state to the wanted one."""

    def __init__(self, callback_id: CallbackId, state: str, wanted: str) -> None:
        super().__init__(f"{callback_id} cannot move from {state} to {wanted}")


class ProgramEndedError(FinalError):
    """A child program ended by itself; the message contains its last output."""


class RetryableError(RingbackError):
    """Retrying may succeed.

    Attributes:
        retry_after: The minimum wait; `None` leaves it to the caller.
    """

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreUnavailableError(RetryableError):
    """The database could not be reached or could not write; nothing was stored."""


class QueueUnavailableError(RetryableError):
    """A broker could not be reached, or refused a queue; the message says which and why."""


class EncodingError(RetryableError):
    """The user's data converter or codec failed; retry, since its key service may recover."""


class GatewayUnavailableError(RetryableError):
    """The gateway did not reply, or cannot serve now; repeating the call is safe."""


class TemporalUnreachableError(RetryableError):
    """Temporal did not reply, or cannot serve now; the effect of the request is unknown."""


class TemporalBusyError(TemporalUnreachableError):
    """Temporal is overloaded and rejected the request; nothing happened."""


class TemporalMisconfiguredError(TemporalUnreachableError):
    """A Temporal server replies, but it is the wrong one, or it rejects the gateway.

    The namespace is unknown, the server's data does not contain the callback's activity, or the
    credentials are rejected. Nothing happened. Once corrected, the same request succeeds.
    """
