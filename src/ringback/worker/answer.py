"""Answers as values of Python: one that exists already, and one that is sent."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar, assert_never, cast

from temporalio import activity
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.converter import FailureConverter, PayloadConverter
from temporalio.exceptions import ApplicationError

from ringback.domain.exact_json import items
from ringback.domain.ids import OutcomeId, to_identity
from ringback.domain.outcome import Completed, Failed

T = TypeVar("T")

_JSON: Final = {"encoding": b"json/plain"}


@dataclass(frozen=True, slots=True)
class InlineAnswer:
    """An answer that the attempt itself ends with.

    Attributes:
        id: The outcome.
        outcome: Never a cancellation: only Temporal can apply one.
    """

    id: OutcomeId
    outcome: Completed | Failed


def return_or_raise(answer: InlineAnswer, result_type: type[T]) -> T:
    """Return the result as `result_type`, or raise the failure.

    Raises:
        ApplicationError: The answer is a failure; it is raised unchanged.
    """
    match answer.outcome:
        case Completed(result):
            return cast("T", None if result is None else read_json(result, result_type))
        case Failed() as failed:
            failure = _to_exception(failed, source=to_identity(answer.id))
            raise failure
        case _:
            assert_never(answer.outcome)


def read_json(body: bytes, result_type: object) -> object:
    """Decode `body` as `result_type` with the activity's payload converter."""
    # Without a hint the SDK returns plain JSON values. It rejects `object`, which means the same.
    hints = None if result_type is object else [cast("type", result_type)]
    (value,) = activity.payload_converter().from_payloads([_payload(body)], hints)
    return value


def to_json(value: object, converter: PayloadConverter) -> bytes:
    """Return `value` as `converter` writes it as JSON.

    Raises:
        TypeError: It does not.
    """
    (payload,) = converter.to_payloads([value])
    match payload.metadata["encoding"]:
        case b"json/plain":
            return payload.data
        case b"binary/null":
            return b"null"
        case _:
            msg = f"an answer must be a JSON value, not a {type(value).__name__}"
            raise TypeError(msg)


def to_failed(failure: ApplicationError, encode: Callable[[object], bytes]) -> Failed:
    """Return `failure` as an answer; `encode` returns a detail as JSON.

    Raises:
        TypeError: A detail cannot be encoded as JSON.
    """
    details = b",".join(map(encode, failure.details))
    return Failed(
        failure.message,
        type=failure.type,
        non_retryable=failure.non_retryable,
        details=b"[" + details + b"]" if details else None,
        next_retry_delay=failure.next_retry_delay,
    )


def _to_exception(failed: Failed, *, source: str) -> BaseException:
    # The SDK sends an error that carries a failure as that failure: with the identity of a
    # delivered one, the original details, and no stack trace that could make it too large.
    info = ApplicationFailureInfo(type=failed.type or "", non_retryable=failed.non_retryable)
    if failed.details is not None:
        info.details.CopyFrom(Payloads(payloads=map(_payload, items(failed.details))))
    if failed.delay_for_temporal is not None:
        info.next_retry_delay.FromTimedelta(failed.delay_for_temporal)
    failure = Failure(message=failed.message, source=source, application_failure_info=info)
    return FailureConverter.default.from_failure(failure, activity.payload_converter())


def _payload(body: bytes) -> Payload:
    return Payload(metadata=_JSON, data=body)
