"""Outcomes: the terminal answers, exactly as the outside gave them.

Results and details stay the JSON bytes that came in: they are checked at the edge and relayed to
Temporal as a ready payload, never parsed and written anew.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, TypeAlias

from ringback.domain.exact_json import parse_exactly

SHORTEST_DELAY: Final = timedelta(milliseconds=1)
"""The next attempt is to start as soon as it can."""


@dataclass(frozen=True, slots=True)
class Completed:
    """The activity ends with a result.

    Attributes:
        result: JSON; `None` is no result at all, which is not the same as `null`.
    """

    result: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """The activity attempt ends with an application failure.

    Attributes:
        message: For people.
        type: For code: the retry policy's non-retryable types and the workflow's handlers match it.
        non_retryable: Whether Temporal must not run the activity again.
        details: A JSON array, one item for each detail; `None` is no details.
        next_retry_delay: How long Temporal waits before the next attempt, instead of its own
            back-off.
    """

    message: str
    type: str | None = None
    non_retryable: bool = False
    details: bytes | None = field(default=None, repr=False)
    next_retry_delay: timedelta | None = None

    @property
    def delay_for_temporal(self) -> timedelta | None:
        """What Temporal is told: it does not retry at all after a delay of nothing.

        That was observed on server 1.32.
        """
        delay = self.next_retry_delay
        return None if delay is None else max(delay, SHORTEST_DELAY)


@dataclass(frozen=True, slots=True)
class Canceled:
    """The activity ends as canceled, which Temporal takes only after somebody asked for it.

    Attributes:
        details: JSON, one detail; `None` is no details.
    """

    details: bytes | None = field(repr=False)


Outcome: TypeAlias = Completed | Failed | Canceled

KINDS: Final[dict[type[Outcome], str]] = {
    Completed: "completed",
    Failed: "failed",
    Canceled: "canceled",
}
"""The word for each kind of outcome, in tables, replies and logs."""


def is_same_answer(one: Outcome, other: Outcome) -> bool:
    """Tell whether two outcomes say the same.

    JSON is compared by meaning: white space and the order of keys do not count, and of two members
    with one name the last counts. Numbers are compared exactly, whatever their length: `1`, `1.0`
    and `10e-1` are the same, `1` and `"1"` and `true` are not.
    """
    return one == other or _meaning(one) == _meaning(other)


def to_fields(outcome: Outcome) -> dict[str, object]:
    """Return what describes `outcome` besides its kind and body: nothing, but for a failure."""
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


def body_of(outcome: Outcome) -> bytes | None:
    """Return the JSON that `outcome` carries: its result or its details."""
    match outcome:
        case Completed(result):
            return result
        case Failed(details=details) | Canceled(details):
            return details


def from_parts(kind: str, body: bytes | None, fields: dict[str, object]) -> Outcome:
    """Build the outcome that `KINDS`, `body_of` and `to_fields` took apart."""
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


def _meaning(outcome: Outcome) -> tuple[str, object, dict[str, object]]:
    body = body_of(outcome)
    # No body is not the same as null.
    return KINDS[type(outcome)], () if body is None else parse_exactly(body), to_fields(outcome)
