"""Outcomes: the final answers, exactly as the sender gave them.

Results and details stay the JSON bytes that arrived: Ringback validates them and passes them to
Temporal as a payload, without encoding them again.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Final, TypeAlias

from ringback.domain.exact_json import Number, parse_exactly

RESUME_TYPE: Final = "RingbackResume"
"""Failure type that ends an attempt so that the activity continues in the next one."""

_DROPPED: Final = b"\x00dropped "
"""The beginning of what is stored instead of a body; JSON has no such character."""

SHORTEST_DELAY: Final = timedelta(milliseconds=1)
"""Sent instead of zero: the next attempt starts as soon as it can."""


@dataclass(frozen=True, slots=True)
class Completed:
    """The activity ends with a result.

    Attributes:
        result: JSON; `None` means without a result, which differs from `null`.
    """

    result: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """The activity attempt ends with an application failure.

    Attributes:
        message: For people.
        type: For code: the retry policy's non-retryable types and the workflow's handlers match it.
        non_retryable: Whether Temporal must not retry the activity.
        details: A JSON array with one item per detail; `None` means without details.
        next_retry_delay: How long Temporal waits before the next attempt, instead of its own
            backoff.
    """

    message: str
    type: str | None = None
    non_retryable: bool = False
    details: bytes | None = field(default=None, repr=False)
    next_retry_delay: timedelta | None = None

    @property
    def delay_for_temporal(self) -> timedelta | None:
        """`next_retry_delay` as sent to Temporal, which does not retry at all after zero.

        Observed on server 1.32.
        """
        delay = self.next_retry_delay
        return None if delay is None else max(delay, SHORTEST_DELAY)


@dataclass(frozen=True, slots=True)
class Canceled:
    """The activity ends as canceled, which Temporal accepts only after a cancel request.

    Attributes:
        details: JSON of one detail; `None` means without details.
    """

    details: bytes | None = field(repr=False)


Outcome: TypeAlias = Completed | Failed | Canceled

KINDS: Final[dict[type[Outcome], str]] = {
    Completed: "completed",
    Failed: "failed",
    Canceled: "canceled",
}
"""The name of each kind of outcome, in tables, replies and logs."""


def drop_body(body: bytes, salt: bytes) -> bytes:
    """Return what is stored instead of a body that is no longer kept: a salted digest of its value.

    `is_same_answer` still recognizes the same answer by it. It is not JSON.
    """
    meaning = json.dumps(parse_exactly(body), sort_keys=True, default=_to_plain_number)
    digest = sha256(salt + meaning.encode()).hexdigest()
    return _DROPPED + salt.hex().encode() + b":" + digest.encode()


def is_dropped(body: bytes) -> bool:
    """Return whether a stored body is what `drop_body` returned."""
    return body.startswith(_DROPPED)


def is_same_answer(one: Outcome, other: Outcome) -> bool:
    """Return whether two outcomes are equal; the body of the first may have been dropped.

    JSON is compared by value: whitespace and the order of keys do not count, and the last of two
    members with one name counts. Numbers are compared exactly, whatever their length: `1`, `1.0`
    and `10e-1` are equal; `1`, `"1"` and `true` differ.
    """
    stored = to_body(one)
    if stored is not None and is_dropped(stored):
        sent = to_body(other)
        is_same_kind = type(one) is type(other) and to_fields(one) == to_fields(other)
        salt = bytes.fromhex(stored.removeprefix(_DROPPED).partition(b":")[0].decode())
        return is_same_kind and sent is not None and drop_body(sent, salt) == stored
    return one == other or _meaning(one) == _meaning(other)


def to_fields(outcome: Outcome) -> dict[str, object]:
    """Return the fields of `outcome` besides kind and body; only a failure has some."""
    match outcome:
        case Failed():
            delay = outcome.next_retry_delay
            return {
                "message": outcome.message,
                "type": outcome.type,
                "non_retryable": outcome.non_retryable,
                "next_retry_delay": None if delay is None else delay.total_seconds(),
            }
        case Completed() | Canceled():
            return {}


def to_body(outcome: Outcome) -> bytes | None:
    """Return the JSON of `outcome`: its result or its details."""
    match outcome:
        case Completed(result):
            return result
        case Failed(details=details) | Canceled(details):
            return details


def from_parts(kind: str, body: bytes | None, fields: dict[str, object]) -> Outcome:
    """Build an outcome from its `KINDS` name, body and `to_fields`."""
    return _BUILDERS[kind](body, fields)


def _failed(body: bytes | None, fields: dict[str, object]) -> Failed:
    delay = fields["next_retry_delay"]
    type_ = fields["type"]
    return Failed(
        message=str(fields["message"]),
        type=None if type_ is None else str(type_),
        non_retryable=bool(fields["non_retryable"]),
        details=body,
        next_retry_delay=timedelta(seconds=delay) if isinstance(delay, int | float) else None,
    )


_BUILDERS: Final[dict[str, Callable[[bytes | None, dict[str, object]], Outcome]]] = {
    "completed": lambda body, _: Completed(body),
    "failed": _failed,
    "canceled": lambda body, _: Canceled(body),
}


def _to_plain_number(number: Number) -> dict[str, object]:
    return {"\x00number": [number.digits, number.exponent]}


def _meaning(outcome: Outcome) -> tuple[str, object, dict[str, object]]:
    body = to_body(outcome)
    # No body differs from null.
    return KINDS[type(outcome)], () if body is None else parse_exactly(body), to_fields(outcome)
