"""The store's side of deadlines and of polls of senders.

The promises of `ringback.ports.store` hold here too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from ringback.domain.callback import Callback
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.polling import PollChange


@dataclass(frozen=True, slots=True)
class Extension:
    """The result of a request for more time.

    Attributes:
        callback: The callback afterwards; `None` if it does not exist.
        was_extended: Whether its deadline was moved.
    """

    callback: Callback | None
    was_extended: bool


class Deadlines(Protocol):
    """What the services for deadlines need."""

    async def extend(
        self, callback_id: CallbackId, within: timedelta, *, by: str | None = None
    ) -> Extension:
        """Set the deadline of an open callback to `within` from now, if it has one.

        Only the activity's own deadline moves; Temporal's timeouts do not. The entry names the API
        key `by`, if any.
        """
        ...

    async def due_defaults(self, *, limit: int) -> Sequence[Callback]:
        """Return open callbacks whose default answer is due, the longest overdue first.

        A callback whose row cannot be read is left out and becomes due again later.
        """
        ...

    async def postpone_defaults(self, callback_ids: Sequence[CallbackId], wait: timedelta) -> None:
        """Make default answers that are due become due again after `wait`.

        So a default answer that cannot be accepted now does not block the others. The deadlines do
        not move.
        """
        ...

    async def accept_defaults(
        self, callback_ids: Sequence[CallbackId], new_outcome_id: Callable[[], OutcomeId]
    ) -> Sequence[CallbackId]:
        """Accept the default answers that are due, of open callbacks; return which were accepted.

        A default answer is then the outcome of its callback, like an answer of a sender.
        """
        ...

    async def are_overdue(self, callback_ids: Sequence[CallbackId]) -> frozenset[CallbackId]:
        """Return the callbacks whose deadline has passed, by the store's clock."""
        ...

    async def next_default(self) -> timedelta | None:
        """Return the time until a default answer is due; `None` if none is scheduled."""
        ...


@dataclass(frozen=True, slots=True)
class LongestWaits:
    """The furthest that a due time can lie ahead.

    For heartbeats the limit is the activity's heartbeat timeout.

    Attributes:
        delivery: Of a delivery to Temporal: the longest lease or backoff.
        webhook: Of a webhook.
        poll: Of a poll of an open callback's activity.
    """

    delivery: timedelta
    webhook: timedelta
    poll: timedelta


class DueTimes(Protocol):
    """Repairs due times. Deadlines are real times and are not changed."""

    async def repair(self, longest: LongestWaits) -> int:
        """Make due now what is due later than `longest` allows; return the number of repaired rows.

        Such a due time was written before the clock was set back. A call repairs at most 1,000 rows
        of each kind.
        """
        ...


class SenderPollStore(Protocol):
    """What the requests for polls of senders need."""

    async def claim_sender_polls(self, *, limit: int, lease: timedelta) -> Sequence[Callback]:
        """Claim open callbacks whose poll is due and whose `submit` has returned.

        No other gateway gets them until the lease ends. A callback whose row cannot be read is left
        out; it is due again when the lease ends.
        """
        ...

    async def save_sender_polls(self, changes: Sequence[PollChange]) -> None:
        """Apply changes to their callbacks; ignore outdated ones and unknown callbacks."""
        ...
