"""Outcomes: the final answers, exactly as the sender gave them.

Results and details stay the JSON bytes that arrived: Ringback validates them and passes them to
Temporal as a payload, without encoding them again.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from typing import Final, TypeAlias, TypeVar

from ringback.domain.encrypted_body import is_encrypted, read_encrypted
from ringback.domain.exact_json import Number, parse_exactly

RESUME_TYPE: Final = "RingbackResume"
"""Failure type that ends an attempt so that the activity continues in the next one."""

POLL_TYPE: Final = "RingbackPoll"
"""Failure type that ends an attempt so that the next one polls the sender."""

_DROPPED: Final = b"\x00dropped "
"""The beginning of what is stored instead of a body; JSON has no such character."""

_SEALED: Final = _DROPPED + b"sealed:"
"""The beginning of what is stored instead of an encrypted body."""

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

AnyOutcome = TypeVar("AnyOutcome", Completed | Failed | Canceled, Completed | Failed)

KINDS: Final[dict[type[Outcome], str]] = {
    Completed: "completed",
    Failed: "failed",
    Canceled: "canceled",
}
"""The name of each kind of outcome, in tables, replies and logs."""


def is_retried(outcome: Outcome) -> bool:
    """Return whether Temporal runs the activity again after this outcome, if it may."""
    return isinstance(outcome, Failed) and not outcome.non_retryable


def drop_body(body: bytes, salt: bytes) -> bytes:
    """Return what is stored instead of a body that is no longer kept: a salted digest of its value.

    `is_same_answer` still recognizes the same answer by it. Of an encrypted body the seal is left.
    It is not JSON.
    """
    if is_encrypted(body):
        return _SEALED + read_encrypted(body).seal.encode()
    digest = sha256(salt + to_value(body).encode()).hexdigest()
    return _DROPPED + salt.hex().encode() + b":" + digest.encode()


def is_dropped(body: bytes) -> bool:
    """Return whether a stored body is what `drop_body` returned."""
    return body.startswith(_DROPPED)


def read_seal(body: bytes) -> str | None:
    """Return the seal of a stored body that is or was encrypted; `None` for any other."""
    if is_encrypted(body):
        return read_encrypted(body).seal
    if body.startswith(_SEALED):
        return body.removeprefix(_SEALED).decode("ascii", "replace")
    return None


def to_value(body: bytes) -> str:
    """Return a text that is equal for two bodies if, and only if, their values are."""
    return json.dumps(parse_exactly(body), sort_keys=True, default=_to_plain_number)


def is_same_answer(one: Outcome, other: Outcome) -> bool:
    """Return whether two outcomes are equal; the body of the first may have been dropped.

    It is false if one is or was encrypted: `ringback.core.body_encryption` compares such bodies.

    JSON is compared by value: whitespace and the order of keys do not count, and the last of two
    members with one name counts. Numbers are compared exactly, whatever their length: `1`, `1.0`
    and `10e-1` are equal; `1`, `"1"` and `true` differ.
    """
    stored, sent = to_body(one), to_body(other)
    if any(body is not None and read_seal(body) is not None for body in (stored, sent)):
        return False
    if stored is not None and is_dropped(stored):
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


def with_body(outcome: AnyOutcome, body: bytes | None) -> AnyOutcome:
    """Return `outcome` with another body."""
    if isinstance(outcome, Completed):
        return replace(outcome, result=body)
    return replace(outcome, details=body)


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
