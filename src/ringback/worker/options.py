"""Options: what an activity may ask for besides an answer."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import Enum
from typing import Any, Final, Literal, TypeAlias, TypedDict, Unpack

from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ApplicationError

from ringback.domain.durations import check_duration
from ringback.domain.options import CallbackOptions, check_options
from ringback.domain.outcome import Completed, Failed
from ringback.worker.answer import read_json

WhichAttempts: TypeAlias = Literal["any", "current"]
WhoHeartbeats: TypeAlias = Literal["keep", "outside"]


class WaitOptions(TypedDict, total=False):
    """What an activity may ask for besides an answer; all of it is optional.

    Attributes:
        deadline: How long the outside may take, from the first opening on; where Temporal's own
            timeouts are shorter, those count. When it has passed, the activity ends with
            `on_deadline`.
        attempts: `any`: an answer ends whichever attempt waits by then, and all attempts share one
            callback. `current`: it ends only the attempt that asked; a later one asks anew.
        follow_reset: Whether the callback stays good when the workflow is reset to where this
            activity waits. Otherwise the new run asks anew. It never goes on in a new run that
            the workflow continued as.
        heartbeat: Who keeps an activity alive that has a heartbeat timeout. `outside`: the
            outside party, with heartbeats of its own. `keep`: the gateway, in its place.
        cancel_within: How long the outside may take to report a cancellation once it was asked
            for; then the activity ends as canceled without it. Without it, it waits for the report.
        cancel_url: Where the outside party is told, in a signed message, that its answer is not
            wanted any more: the activity was asked to cancel, or takes no answer.
        notify_url: Where it is told of everything that happens to the callback.
        title: What is asked, in a few words, for people. Whoever holds the link sees it.
        tags: What it can be found by.
        metadata: Details for whoever is asked, and anything else that is to be found with it; plain
            JSON. Whoever holds the link sees it, so keep secrets and internal notes out of it.
    """

    deadline: timedelta | None
    attempts: WhichAttempts
    follow_reset: bool
    heartbeat: WhoHeartbeats
    cancel_within: timedelta | None
    cancel_url: str | None
    notify_url: str | None
    title: str | None
    tags: Sequence[str]
    metadata: Mapping[str, object]


class Unset(Enum):
    """Tells an option that was not given from one that is `None`."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


def to_options(
    result_type: object, on_deadline: object = UNSET, **given: Unpack[WaitOptions]
) -> CallbackOptions:
    """Return the options that an activity gave, checked.

    Args:
        result_type: What the answer is read as; `object` for any JSON.
        on_deadline: What the activity ends with if nobody answers in time.
        **given: See `WaitOptions`.

    Raises:
        ValueError: An option cannot be used; the message says which, and why.
        TypeError: An option has the wrong type, or cannot be written as JSON.
        Exception: What the converter raises if `on_deadline` cannot be read as `result_type`.
    """
    plain: dict[str, Any] = {**given}
    if "metadata" in plain:
        plain["metadata"] = json.loads(json.dumps(dict(plain["metadata"]), allow_nan=False))
    check_options(plain)
    return CallbackOptions.from_plain(plain, _to_default(on_deadline, result_type))


def _to_default(on_deadline: object, result_type: object) -> Completed | Failed | None:
    match on_deadline:
        case Unset.UNSET:
            return None
        case ApplicationError() as failure:
            return _to_failed(failure)
        case value:
            body = _to_json(value)
            # The workflow would meet it too late: at the deadline.
            read_json(body, result_type)
            return Completed(body)


def _to_failed(failure: ApplicationError) -> Failed:
    check_duration("next_retry_delay", failure.next_retry_delay, may_be_zero=True)
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
