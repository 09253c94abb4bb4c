"""Parked answers: what giving one up needs from the store."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ringback.ports.store import Settlement


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
