"""The store's side of deliveries; the promises of `ringback.ports.store` hold here too."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from ringback.domain.callback import Callback, State
from ringback.domain.ids import CallbackId

MOST_CLAIMED_BYTES: Final = 4 * 1024 * 1024
"""About the maximum bytes of bodies that a process delivers at a time: each is copied five times on
its way to Temporal."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The verdict on an accepted outcome.

    Attributes:
        callback_id: The callback.
        tries: `Accepted.tries` at the time of the verdict. The store ignores a verdict of an older
            try.
        verdict: One of `ringback.domain.callback.VERDICTS`.
        proof: The evidence, by name, as plain JSON.
    """

    callback_id: CallbackId
    tries: int
    verdict: State
    proof: dict[str, object]


@dataclass(frozen=True, slots=True)
class Postponement:
    """A delivery without a verdict, which is retried.

    Attributes:
        callback_id: The callback.
        tries: `Accepted.tries` of that delivery. The store ignores a postponement of an older try.
        wait: The time until the next try.
        reason: Why the verdict is missing.
        is_not_applied: Whether Temporal has shown that no delivery so far had an effect.
    """

    callback_id: CallbackId
    tries: int
    wait: timedelta
    reason: str
    is_not_applied: bool = False


class DeliveryQueue(Protocol):
    """What deliveries to Temporal need."""

    async def claim(
        self, owner: str, *, limit: int, lease: timedelta, most_bytes: int = MOST_CLAIMED_BYTES
    ) -> Sequence[Callback]:
        """Claim callbacks whose outcome is due, oldest first.

        The last one claimed is the one whose body brings the bytes to `most_bytes` or more.
        No other owner gets them until the lease ends. Each claim counts as a try. From the claim
        until the verdict, the attempt is unconfirmed: the delivery may have ended it
        (`Accepted.unconfirmed_attempt` keeps the first such attempt). A postponement with
        `is_not_applied` clears that.
        """
        ...

    async def release(self, owner: str) -> None:
        """Give back what `owner` has claimed and not finished, because it stops."""
        ...

    async def postpone(self, postponements: Sequence[Postponement]) -> None:
        """Give claimed outcomes back, to be retried.

        One with `is_not_applied` counts as a try, so that verdicts from before are ignored.
        """
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Store verdicts with their proof.

        The first verdict of an outcome counts. A verdict of an older try is ignored: a process that
        was paused acts on stale data.
        """
        ...

    async def next_due(self) -> timedelta | None:
        """Return the time until an outcome is due; `None` if none is scheduled."""
        ...

    async def deliver_inline(
        self,
        callback_id: CallbackId,
        *,
        worker: str,
        attempt_started_at: datetime,
        lease: timedelta,
    ) -> bool:
        """Claim the accepted outcome for an attempt that is about to return or raise it.

        It counts as a try, and until the lease ends nobody else delivers the outcome. The attempt
        is unconfirmed until the verdict. Returns whether the outcome was claimed: not while another
        delivery runs, not if it is parked, and only for the latest attempt that opened the
        callback.
        """
        ...

    async def redeliver(self, callback_id: CallbackId) -> bool:
        """Make a parked outcome due again, and treat earlier deliveries as not applied.

        Returns whether it was parked.
        """
        ...


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The end of a parked outcome, by an operator.

    Attributes:
        settlement: The verdict with its proof.
        attempt_started_at: The `Callback.attempt_started_at` that was read. The store ignores the
            verdict if a later attempt has opened the callback since.
        facts: The operator and the reason, for the audit trail.
    """

    settlement: Settlement
    attempt_started_at: datetime
    facts: dict[str, object] = field(repr=False)


class ParkedAnswers(Protocol):
    """What giving up a parked answer needs."""

    async def give_up(self, end: GiveUp) -> bool:
        """Store the verdict on a parked outcome; return whether it was stored.

        Nothing is stored if the outcome was redelivered or given up meanwhile, or a later attempt
        has opened the callback.
        """
        ...
