"""Options: what an activity may ask for besides an answer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any, Final, Literal, TypeAlias, TypedDict

from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ApplicationError

from ringback.domain.about import About, check_metadata, check_tags, check_title, check_url
from ringback.domain.callback import Attempts
from ringback.domain.durations import check_duration
from ringback.domain.outcome import Completed, Failed
from ringback.domain.vitals import HeartbeatBy
from ringback.worker.answer import read_json

WhichAttempts: TypeAlias = Literal["any", "current"]
WhoHeartbeats: TypeAlias = Literal["keep", "outside"]


class CallbackOptions(TypedDict, total=False):
    """What an activity may ask for besides an answer; all of it is optional.

    Attributes:
        deadline: How long the outside may take, from the first opening on; where Temporal's own
            time-outs are shorter, those count. When it has passed, the activity ends with
            `on_deadline`.
        attempts: `any`: an answer ends whichever attempt waits by then, and all attempts share one
            callback. `current`: it ends only the attempt that asked; a later one asks anew.
        follow_reset: Whether the callback stays good when the workflow is reset to where this
            activity waits. Otherwise the new run asks anew. It never goes on in a new run that
            the workflow continued as.
        heartbeat: Who keeps an activity alive that has a heartbeat time-out. `outside`: the
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


@dataclass(frozen=True, slots=True)
class Options:
    """What the callback is opened with.

    Attributes:
        result_type: What the answer is read as; `object` for any JSON.
        on_deadline: What the activity ends with if nobody answers in time.

    The others are those of `CallbackOptions`.
    """

    result_type: object = object
    on_deadline: object = field(default=UNSET, repr=False)
    deadline: timedelta | None = None
    attempts: WhichAttempts = "any"
    follow_reset: bool = False
    heartbeat: WhoHeartbeats = "outside"
    cancel_within: timedelta | None = None
    cancel_url: str | None = field(default=None, repr=False)
    notify_url: str | None = field(default=None, repr=False)
    title: str | None = None
    tags: Sequence[str] = ()
    metadata: Mapping[str, object] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        # Refused here, not when somebody has answered.
        check_duration("deadline", self.deadline)
        check_duration("cancel_within", self.cancel_within)
        check_url("cancel_url", self.cancel_url)
        check_url("notify_url", self.notify_url)
        check_title(self.title)
        check_tags(self.tags)
        _check_choice("attempts", self.attempts, Attempts)
        _check_choice("heartbeat", self.heartbeat, HeartbeatBy)

    def about(self) -> About:
        """Return what the callback is told about itself.

        Raises:
            TypeError: `metadata` cannot be written as JSON.
            ValueError: The same: it holds itself, or a number that JSON has not; or it is longer
                than `MOST_METADATA_BYTES`, or has a sign in it that no database keeps.
        """
        metadata = json.loads(json.dumps(dict(self.metadata), allow_nan=False))
        check_metadata(metadata)
        return About(
            title=self.title,
            tags=tuple(dict.fromkeys(self.tags)),
            metadata=metadata,
            cancel_url=self.cancel_url,
            notify_url=self.notify_url,
        )

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


def _check_choice(name: str, value: str, choices: type[Enum]) -> None:
    allowed = [choice.value for choice in choices]
    if value not in allowed:
        msg = f"{name} must be {' or '.join(map(repr, allowed))}, not {value!r}"
        raise ValueError(msg)


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
