"""What becomes of each of many, and how far the many are."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

from ringback.completion.refs import Target


class Ending(StrEnum):
    """What became of one item."""

    COMPLETED = "completed"
    """Temporal took the result."""
    FAILED = "failed"
    """Its work raised, and Temporal took the failure."""
    UNTOLD = "untold"
    """Temporal took neither; `error` says why, and whether it may work later."""
    ABANDONED = "abandoned"
    """Its batcher was stopped first. If its work had ended, Temporal may have been told."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one item. Its text shows no token and no payload.

    Attributes:
        target: The activity.
        ending: What became of it.
        error: Why it is untold: a `RetryableError` may be told again, a `FinalError` need not.
        result: What an untold item was to be completed with, if its work returned.
        failure: What the work raised, if it did.
    """

    target: Target = field(repr=False)
    ending: Ending
    error: Exception | None = None
    result: object = field(default=None, repr=False)
    failure: Exception | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Progress:
    """How many items have come to which end.

    Attributes:
        completed: Temporal took their results.
        failed: Temporal took their failures.
        untold: Temporal took neither.
        abandoned: Their batcher was stopped first.
    """

    completed: int = 0
    failed: int = 0
    untold: int = 0
    abandoned: int = 0

    @property
    def done(self) -> int:
        """How many have come to an end."""
        return self.completed + self.failed + self.untold + self.abandoned

    def after(self, delivery: Delivery) -> "Progress":
        """Return the progress with one more."""
        count = delivery.ending.value
        return replace(self, **{count: getattr(self, count) + 1})


OnProgress: TypeAlias = Callable[[Progress], object]
