"""An answer that is already there, as the activity returns or raises it."""

import json
from typing import Any, TypeVar, assert_never, cast

from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ApplicationError

from ringback.domain.outcome import Completed, Failed

T = TypeVar("T")


def return_or_raise(outcome: Completed | Failed, result_type: type[T]) -> T:
    """Return the result as `result_type`, or raise the failure.

    Raises:
        ApplicationError: The answer is a failure, exactly as it was given.
    """
    match outcome:
        case Completed(result):
            return _decoded(result, result_type)
        case Failed():
            failure = _to_exception(outcome)
            raise failure
        case _:
            assert_never(outcome)


def _decoded(result: bytes | None, result_type: type[T]) -> T:
    if result is None:
        return cast("T", None)
    payload = Payload(metadata={"encoding": b"json/plain"}, data=result)
    # Without a hint the SDK gives plain JSON; it refuses `object`, which means just that.
    hints = None if result_type is object else [result_type]
    (value,) = activity.payload_converter().from_payloads([payload], hints)
    return cast("T", value)


def _to_exception(failed: Failed) -> ApplicationError:
    details: list[Any] = json.loads(failed.details or b"[]")
    return ApplicationError(
        failed.message,
        *details,
        type=failed.type,
        non_retryable=failed.non_retryable,
        next_retry_delay=failed.next_retry_delay,
    )
