"""Deadlines in the store; what `ringback.ports.store` says of its methods holds here too."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from ringback.domain.callback import Callback
from ringback.domain.ids import CallbackId, OutcomeId


@dataclass(frozen=True, slots=True)
class Extension:
    """What became of a wish for more time.

    Attributes:
        callback: The callback as it stands now; `None` if there is none.
        was_extended: Whether its deadline was moved.
    """

    callback: Callback | None
    was_extended: bool


class Deadlines(Protocol):
    """What keeping deadlines needs."""

    async def extend(
        self, callback_id: CallbackId, within: timedelta, *, by: str | None = None
    ) -> Extension:
        """Let the outside answer `within` from now on, if the callback is open and has a deadline.

        Only the activity's own deadline is moved; Temporal's timeouts stay as they are.
        The event names whose API key asked for it, `by`, if one did.
        """
        ...

    async def due_defaults(self, *, limit: int) -> Sequence[Callback]:
        """Return open callbacks whose default answer is due, the longest overdue first.

        One whose row cannot be read is left out, and is not due again for a while.
        """
        ...

    async def postpone_defaults(self, callback_ids: Sequence[CallbackId], wait: timedelta) -> None:
        """Let those of the callbacks whose default answer is due be due again after `wait`.

        So what cannot be dealt with now does not stand in the way of the others. Their deadlines
        stay as they are.
        """
        ...

    async def accept_defaults(
        self, callback_ids: Sequence[CallbackId], new_outcome_id: Callable[[], OutcomeId]
    ) -> Sequence[CallbackId]:
        """Accept the default answers of those callbacks that are open and due; return which.

        Each is the callback's outcome then, exactly as if it had been given, and no other is taken.
        """
        ...

    async def are_overdue(self, callback_ids: Sequence[CallbackId]) -> frozenset[CallbackId]:
        """Return those of the callbacks whose deadline has passed, by the store's clock."""
        ...

    async def next_default(self) -> timedelta | None:
        """Return how long until a default answer is due; `None` if none will be."""
        ...


@dataclass(frozen=True, slots=True)
class LongestWaits:
    """How far ahead work may be due, at most.

    A heartbeat's own limit is the heartbeat timeout of its activity.

    Attributes:
        delivery: A delivery to Temporal: the longest lease or backoff.
        webhook: A message to the outside.
        poll: A poll at an open callback.
    """

    delivery: timedelta
    webhook: timedelta
    poll: timedelta


class DueTimes(Protocol):
    """Repairs due times; deadlines are real times and stay as they are."""

    async def repair(self, longest: LongestWaits) -> int:
        """Make due now what is due further ahead than anything waits; return how much that was.

        Such a due time was written before the clock was set back. At most 1,000 of each kind are
        repaired at a time.
        """
        ...
