"""Encoding: what is told to an activity, as it goes over the wire, and checked before it goes."""

from collections.abc import Sequence
from typing import Any, Final

from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter

from ringback.completion.target import Addressed
from ringback.domain.completion_errors import CompletionRefusedError
from ringback.domain.errors import AnswerTooLargeError
from ringback.temporal.delivery import Encoded
from ringback.temporal.limits import check_size
from ringback.temporal.signature import signed

UNSET: Final[Any] = object()
"""No result at all, which is not the same as `None`."""


async def to_payloads(converter: DataConverter, values: Sequence[Any]) -> Payloads | None:
    """Return one payload for each value; `None` for no values.

    Whatever the converter or its codec raises comes out unchanged.
    """
    return Payloads(payloads=await converter.encode(values)) if values else None


async def to_failure(
    converter: DataConverter, error: BaseException, addressed: Addressed
) -> Failure:
    """Return `error` as the SDK would send it.

    Raises:
        CompletionRefusedError: A token takes no error of this kind.
        TypeError: It is no exception; make one with `fail_with`.
    """
    if not isinstance(error, BaseException):
        msg = (
            "an activity fails with an exception, made by fail_with(type, message) for instance, "
            f"not with {type(error).__name__}"
        )
        raise TypeError(msg)
    failure = Failure()
    await converter.encode_failure(error, failure)
    if addressed.task_token is not None and not failure.HasField("application_failure_info"):
        msg = (
            f"Temporal takes no {type(error).__name__} by task token; report a cancellation "
            "instead, or fail with an ApplicationError"
        )
        raise CompletionRefusedError(msg)
    return failure


def sealed(encoded: Encoded, addressed: Addressed, *, identity: str, limit: int) -> Encoded:
    """Return `encoded` with its sender in it where only that tells it later, and of a good size.

    A failure that is too large goes without its stack traces.

    Args:
        encoded: It is changed.
        addressed: The activity that it is for.
        identity: In whose name it goes.
        limit: What the namespace keeps, in bytes.

    Raises:
        AnswerTooLargeError: Temporal would cut it, or fail the activity over it.
    """
    encoded = signed(encoded, identity, is_standalone=addressed.execution.is_standalone)
    try:
        check_size(encoded, limit)
    except AnswerTooLargeError:
        if not isinstance(encoded, Failure):
            raise
        _without_traces(encoded)
        check_size(encoded, limit)
    return encoded


def _without_traces(failure: Failure) -> None:
    while True:
        failure.ClearField("stack_trace")
        if not failure.HasField("cause"):
            return
        failure = failure.cause
