"""Options of `wait_for_callback` and `open_callback`."""

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
HeartbeatsFrom: TypeAlias = Literal["sender", "gateway"]


class WaitOptions(TypedDict, total=False):
    """Options of a wait; all are optional.

    Attributes:
        deadline: How long the sender has, from the first opening on; a shorter timeout of Temporal
            wins. After it, the activity ends with `on_deadline`.
        attempts: `any`: an answer ends whichever attempt is running, and all attempts share one
            callback. `current`: it ends only the attempt that opened the callback; a later attempt
            opens a new one.
        follow_reset: Whether the callback stays valid when the workflow is reset to a point where
            this activity waits. Otherwise the new run opens a new callback. A callback never
            follows continue-as-new.
        heartbeat: Who heartbeats for an activity with a heartbeat timeout: the `sender` or the
            `gateway`.
        cancel_within: How long the sender has to report a requested cancellation; after it, the
            gateway ends the activity as canceled. Without it, the activity waits for the report.
        cancel_url: Receives a signed webhook when the answer is no longer needed: the activity was
            asked to cancel, or it accepts no more answers.
        notify_url: Receives a signed webhook for every change of the callback.
        title: What is asked, in a few words, for people. Everybody with the link sees it.
        tags: Labels for searching.
        metadata: Plain JSON with details for senders and your own keys. Everybody with the link
            sees it, so keep secrets and internal notes out of it.
    """

    deadline: timedelta | None
    attempts: WhichAttempts
    follow_reset: bool
    heartbeat: HeartbeatsFrom
    cancel_within: timedelta | None
    cancel_url: str | None
    notify_url: str | None
    title: str | None
    tags: Sequence[str]
    metadata: Mapping[str, object]


class Unset(Enum):
    """The type of `UNSET`: an option that was not given, as opposed to `None`."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


def to_options(
    result_type: object,
    on_deadline: object = UNSET,
    *,
    resume: bool = False,
    **given: Unpack[WaitOptions],
) -> CallbackOptions:
    """Validate the options of an activity.

    Args:
        result_type: The type of the answer; `object` for any JSON.
        on_deadline: The default answer.
        resume: Whether the activity continues with the answer.
        **given: See `WaitOptions`.

    Raises:
        ValueError: An option is invalid; the message names it and says why.
        TypeError: An option has the wrong type, or cannot be encoded as JSON.
        Exception: What the converter raises if it cannot read `on_deadline` as `result_type`.
    """
    plain: dict[str, Any] = {**given, "resume": resume}
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
            # Otherwise the workflow would fail on it at the deadline, which is too late.
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
            msg = f"on_deadline must be a JSON value, not a {type(value).__name__}"
            raise TypeError(msg)
