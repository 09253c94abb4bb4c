"""What can go wrong, as a tree.

RingbackError
├── FinalError                      stop: trying again changes nothing
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
│   │   └── WrongResultError
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
│   └── CompletionUnprovenError     (below, too)
├── RetryableError                  try again, later
│   ├── StoreUnavailableError
│   ├── EncodingError
│   ├── GatewayUnavailableError
│   ├── TooManyBytesError
│   ├── TemporalUnreachableError
│   │   ├── TemporalBusyError
│   │   └── TemporalMisconfiguredError
│   ├── ActivityPausedError
│   └── CompletionUnansweredError   (below, too)
└── ActivityCompletionError         what an activity was told did not reach it, or may not have
    ├── CompletionRefusedError
    │   └── UnusableTokenError
    ├── CompletionUnprovenError
    └── CompletionUnansweredError

Every error that is raised is of one of the first two branches: a caller has two choices. Those of
the completion client stand in `domain/completion_errors.py`. Nothing here knows of HTTP or of exit
codes: `gateway/replies.py` and `app/exits.py` each have one table, and a test holds both complete.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ringback.domain.ids import CallbackId


class RingbackError(Exception):
    """The root: everything that Ringback raises on purpose."""


class FinalError(RingbackError):
    """Trying again changes nothing."""


class ConfigurationError(FinalError):
    """A setting is missing or wrong; the message names it and says what to set."""


class NotWiredError(FinalError):
    """The code runs outside an activity of a worker that has a `RingbackPlugin`.

    Connect the worker's client with `Client.connect(…, plugins=[RingbackPlugin()])`. An activity in
    a process pool runs outside its worker: use `async def` or a thread pool.
    """


class UnknownCallbackError(FinalError):
    """No link and no callback: unknown, edited, expired or not meant for this verb.

    One error for all of them, so that a guess learns nothing.
    """


class UnreadableCallbackError(FinalError):
    """The stored row of a callback cannot be read: fix it; the gateway's log says what is wrong."""

    def __init__(self, callback_id: CallbackId) -> None:
        super().__init__(f"the stored row of {callback_id} cannot be read; an operator must fix it")


class UnknownKeyError(FinalError):
    """No API key, or none that is good: unknown, mistyped or revoked.

    One error for all of them, so that a guess learns nothing. `ringback keys add` makes one.
    """


class NotAllowedError(FinalError):
    """The role of this API key does not allow it; use a key of a role that does."""


class MalformedRequestError(FinalError):
    """A request of the operator API says what it cannot mean; what it carries is not repeated.

    Attributes:
        problems: What is wrong, and where: a JSON Pointer into the body, or a parameter's name.
    """

    def __init__(self, problems: "Sequence[Problem]") -> None:
        said = "; ".join(f"{one.path or 'the body'}: {one.message}" for one in problems)
        super().__init__(f"this cannot be used: {said}")
        self.problems = problems


class ExpiredCallbackError(FinalError):
    """Nobody waits for this any more: the activity has ended, or was answered before.

    Attributes:
        callback_id: The callback that expired.
        reason: What ended the activity, in a sentence.
        expired_at: When that became known.
    """

    def __init__(self, callback_id: CallbackId, reason: str, expired_at: datetime) -> None:
        super().__init__(f"nobody waits any more: {reason}")
        self.callback_id = callback_id
        self.reason = reason
        self.expired_at = expired_at


class AnsweredDifferentlyError(FinalError):
    """Another outcome was accepted first; this one was kept as evidence only.

    Attributes:
        callback_id: The callback that had an outcome already.
        accepted_at: When the winner was accepted.
    """

    def __init__(self, callback_id: CallbackId, accepted_at: datetime) -> None:
        super().__init__("another answer was accepted first")
        self.callback_id = callback_id
        self.accepted_at = accepted_at


class NoCancelRequestedError(FinalError):
    """Nobody asked this activity to cancel, so a cancellation cannot be reported.

    Temporal refuses such a report and leaves the activity open. Fail it instead, or wait until
    `cancel_requested` is true.
    """


class CannotExtendError(FinalError):
    """The deadline cannot be moved so; the message says why, and what can be done."""


class NotParkedError(FinalError):
    """There is nothing to deliver again: only a parked outcome can be redelivered."""


class MalformedAnswerError(FinalError):
    """The body cannot be read as what it claims to be; the message says where."""


class UnsupportedMediaTypeError(MalformedAnswerError):
    """The body is of a media type that cannot become a result; send `application/json`."""


class AnswerTooLargeError(MalformedAnswerError):
    """The answer is larger than this gateway takes, or than Temporal keeps uncut.

    Attributes:
        limit: The largest size, in bytes.
    """

    def __init__(self, limit: int, what: str = "the body", *, advice: str = "") -> None:
        super().__init__(f"{what} is larger than {limit} bytes" + (advice and f"; {advice}"))
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Problem:
    """One place where a result is not what the activity returns.

    Attributes:
        path: Where, as a JSON Pointer (RFC 6901); empty for the whole result.
        message: What is wrong there.
    """

    path: str
    message: str


class WrongResultError(MalformedAnswerError):
    """The result is not of the type that the activity returns.

    Temporal would take it, and the workflow could never read it.

    Attributes:
        problems: What is wrong, and where.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        said = "; ".join(f"{one.path or 'the result'}: {one.message}" for one in problems)
        super().__init__(f"this is not what the activity returns: {said}")
        self.problems = problems


class ActivityGoneError(FinalError):
    """Temporal answered NOT_FOUND, or the attempt that asks is over.

    NOT_FOUND tells neither why nor whether an earlier try of ours was applied: history does.
    """


class RefusedByTemporalError(FinalError):
    """Temporal refused the request and the activity stays as it was; the message is its own."""


class GatewayRefusedError(FinalError):
    """The gateway refused a request of this client; the message is the gateway's.

    Attributes:
        status: The HTTP status.
        title: The kind of the problem, as in its `type`: "answered differently", "not found".
    """

    def __init__(self, message: str, *, status: int, title: str) -> None:
        super().__init__(message)
        self.status = status
        self.title = title


class IllegalMoveError(FinalError):
    """A callback cannot go from its state to the wanted one.

    Attributes:
        callback_id: The callback that would have moved.
        state: Where it stands.
        wanted: Where it cannot go.
    """

    def __init__(self, callback_id: CallbackId, state: str, wanted: str) -> None:
        super().__init__(f"{callback_id} cannot go from {state} to {wanted}")
        self.callback_id = callback_id
        self.state = state
        self.wanted = wanted


class ProgramEndedError(FinalError):
    """A program that this one started ended by itself; the message has its last words."""


class RetryableError(RingbackError):
    """It may work later.

    Attributes:
        retry_after: How long to wait at least; `None` leaves it to the caller.
    """

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreUnavailableError(RetryableError):
    """The database could not be reached or could not write; nothing was kept."""


class EncodingError(RetryableError):
    """The user's data converter or codec failed; it may work later, as a service for keys may."""


class GatewayUnavailableError(RetryableError):
    """The gateway did not answer, or could not now; repeating the same call is safe."""


class TooManyBytesError(RetryableError):
    """The gateway has as many bytes of request bodies in memory as it may; nothing was kept."""


class TemporalUnreachableError(RetryableError):
    """The Temporal server did not answer, or could not now; whether it acted is unknown."""


class TemporalBusyError(TemporalUnreachableError):
    """The Temporal server is there and takes no more for now; what was asked did not happen."""


class TemporalMisconfiguredError(TemporalUnreachableError):
    """A Temporal server answers, but it is the wrong one, or it rejects the gateway.

    It does not know the namespace, its data is not the data that the callback belongs to, or it
    does not accept the API key or certificate. Nothing happened. An operator must correct the
    address, the namespace, the credentials or the server; then the same request succeeds.
    """
