"""Options: what an activity may ask for besides an answer."""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any, Final, Literal, TypeAlias

from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ApplicationError

from ringback.domain.callback import Attempts
from ringback.domain.outcome import Completed, Failed
from ringback.worker.answer import read_json

WhichAttempts: TypeAlias = Literal["any", "current"]


class Unset(Enum):
    """Tells an option that was not given from one that is `None`."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True)
class Options:
    """What the callback is opened with.

    Attributes:
        result_type: What the answer is read as; `object` for any JSON.
        deadline: How long the outside may take.
        on_deadline: What the activity ends with if nobody answers in time.
        attempts: Which attempt an answer may end.
        follow_reset: Whether the callback goes on in the run that a workflow reset makes.
    """

    result_type: object = object
    deadline: timedelta | None = None
    on_deadline: object = UNSET
    attempts: WhichAttempts = "any"
    follow_reset: bool = False

    def __post_init__(self) -> None:
        if self.deadline is not None and self.deadline <= timedelta(0):
            msg = f"deadline must be longer than nothing, not {self.deadline}"
            raise ValueError(msg)
        # Refused here, not when somebody has answered.
        Attempts(self.attempts)

    def default_answer(self) -> Completed | Failed | None:
        """Return the answer that is taken if nobody gives one in time; `None` if none was given.

        Raises:
            TypeError: `on_deadline` cannot be written as JSON.
            Exception: What the converter raises if it cannot be read as `result_type`.
        """
        match self.on_deadline:
            case Unset.UNSET:
                return None
            case ApplicationError() as failure:
                return _to_failed(failure)
            case value:
                body = _to_json(value)
                # The workflow would meet it too late: at the deadline.
                read_json(body, self.result_type)
                return Completed(body)


def _to_failed(failure: ApplicationError) -> Failed:
    details = b",".join(_to_json(detail) for detail in failure.details)
    return Failed(
        failure.message,
        type=failure.type,
        non_retryable=failure.non_retryable,
        details=b"[" + details + b"]" if details else None,
        next_retry_delay=failure.next_retry_delay,
    )


def _to_json(value: Any) -> bytes:
    (payload,) = activity.payload_converter().to_payloads([value])
    return _json_of(payload, value)


def _json_of(payload: Payload, value: Any) -> bytes:
    match payload.metadata["encoding"]:
        case b"json/plain":
            return payload.data
        case b"binary/null":
            return b"null"
        case _:
            msg = f"on_deadline must be a value that JSON can say, not a {type(value).__name__}"
            raise TypeError(msg)
