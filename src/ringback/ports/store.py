"""The store: callbacks, their outcomes and what happened to them.

Every method takes and returns many at once and is one transaction: one commit for many answers is
what makes it fast. What is returned is durable. The store's own clock dates everything, so the
clocks of the machines that use it do not matter; callers pass durations, never instants.

All methods raise `StoreUnavailableError` when the database cannot be reached or cannot write; then
nothing of the call was kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeAlias

from ringback.domain.callback import Callback, State, Wish
from ringback.domain.event import Event
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Answer:
    """An outcome that somebody outside gave to one callback.

    Attributes:
        callback_id: The callback.
        id: The id that the outcome gets if it wins.
        outcome: The outcome.
    """

    callback_id: CallbackId
    id: OutcomeId
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Won:
    """This answer is the callback's outcome now, and durable.

    Attributes:
        accepted_at: When it was committed.
    """

    accepted_at: datetime


@dataclass(frozen=True, slots=True)
class NotTaken:
    """The answer was not taken: the callback was answered before, is over, or is unknown.

    Attributes:
        callback: The callback as it stands; `None` if there is none.
    """

    callback: Callback | None


Acceptance: TypeAlias = Won | NotTaken


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an accepted outcome ended.

    Attributes:
        callback_id: The callback.
        verdict: One of `ringback.domain.callback.VERDICTS`.
        proof: What shows it, by name, as plain JSON.
    """

    callback_id: CallbackId
    verdict: State
    proof: dict[str, object]


@dataclass(frozen=True, slots=True)
class Postponement:
    """A delivery that did not end and is to be tried again.

    Attributes:
        callback_id: The callback.
        wait: How long nobody tries.
        reason: Why it did not end.
    """

    callback_id: CallbackId
    wait: timedelta
    reason: str


EVIDENCE_KEPT: Final = 20
EVIDENCE_BYTES: Final = 16 * 1024


class CallbackStore(Protocol):
    """What asking and answering need."""

    async def open(self, wishes: Sequence[Wish]) -> Sequence[Callback]:
        """Find or make the callback of each wish, in their order.

        An activity has one callback over all its attempts; a new one is made only when the question
        of the latest one is settled (`ringback.domain.callback.asks_anew`).
        """
        ...

    async def mark_submitted(self, callback_ids: Sequence[CallbackId]) -> None:
        """Keep that the user's submit has returned. The first time counts."""
        ...

    async def accept(self, answers: Sequence[Answer]) -> Sequence[Acceptance]:
        """Keep each answer that is the first for its callback; tell for each, in their order."""
        ...

    async def keep_evidence(self, answers: Sequence[Answer]) -> None:
        """Keep answers that differ from their callback's outcome in the audit trail.

        The first `EVIDENCE_KEPT` of a callback are kept, each with `EVIDENCE_BYTES` of its body.
        """
        ...

    async def hand_over(
        self, callback_id: CallbackId, *, worker: str, attempt: int, lease: timedelta
    ) -> bool:
        """Give the accepted outcome to an attempt that is about to return or raise it.

        For the length of `lease` nobody delivers it. Returns whether it was given; it is not while
        somebody delivers it.
        """
        ...

    async def expire(self, reasons: Mapping[CallbackId, str]) -> None:
        """Close callbacks that were never answered and no longer can be; others are left alone."""
        ...

    async def find(self, callback_ids: Sequence[CallbackId]) -> Mapping[CallbackId, Callback]:
        """Return those of the callbacks that exist."""
        ...


class DeliveryQueue(Protocol):
    """What bringing outcomes to Temporal needs."""

    async def claim(self, owner: str, *, limit: int, lease: timedelta) -> Sequence[Callback]:
        """Take callbacks whose outcome is due, oldest first.

        Nobody else gets them while the lease lasts; each claim counts as a try.
        """
        ...

    async def release(self, owner: str) -> None:
        """Give back all that `owner` has claimed and not ended: it stops."""
        ...

    async def postpone(self, postponements: Sequence[Postponement]) -> None:
        """Give claimed outcomes back, to be tried again later."""
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Keep verdicts with their proof. The first verdict of an outcome counts."""
        ...

    async def next_due(self) -> timedelta | None:
        """Return how long until an outcome is due; `None` if none is waiting."""
        ...


class CallbackIndex(Protocol):
    """What people who look need."""

    async def page(
        self, *, states: frozenset[State], after: CallbackId | None, limit: int
    ) -> Sequence[Callback]:
        """Return up to `limit` callbacks in any of `states`, by ascending id, behind `after`."""
        ...

    async def events(self, callback_id: CallbackId) -> Sequence[Event]:
        """Return what happened to a callback, oldest first."""
        ...
