"""The options of a run."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Fault(StrEnum):
    """Faults that a run injects."""

    KILL = "kill"
    FREEZE = "freeze"
    LOST_REPLY = "lost-reply"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    DELAY = "delay"
    HANG_UP = "hang-up"
    REFUSE = "refuse"


class StoreKind(StrEnum):
    """The kind of database."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


MODES: Final = {
    "patient": 24,
    "single": 14,
    "hasty": 14,
    "between": 6,
    "beating": 8,
    "early": 8,
    "twice": 5,
    "hasty-twice": 5,
    "together": 6,
    "canceled": 6,
    "withdrawn": 3,
    "terminated": 3,
    "contested": 6,
    "flaky": 4,
    "thread": 6,
    "resumed": 10,
    "hasty-resumed": 6,
    "quorum": 12,
    "hasty-quorum": 6,
    "webhook": 12,
    "hasty-webhook": 6,
    "queue": 12,
    "hasty-queue": 6,
}
"""The modes of workflows, with their weights."""

SHORT: Final = 30
"""Runs of fewer seconds are short: everything is faster, so that they settle sooner."""

ALL_FAULTS: Final = frozenset(Fault)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one run.

    Attributes:
        seed: Decides scripts, answers and faults.
        callbacks: Number of questions; retried failures add a few.
        seconds: How long questions are asked and faults are injected.
        settle: Maximum seconds until everything has settled.
        store: The database of the ledger.
        gateways: Number of gateways.
        workers: Number of worker processes.
        faults: The faults to inject.
        modes: The modes to use, of `MODES`.
        is_kept: Whether the folder with all that was written stays.
    """

    seed: int
    callbacks: int = 2000
    seconds: float = 100
    settle: float = 150
    store: StoreKind = StoreKind.SQLITE
    gateways: int = 2
    workers: int = 2
    faults: frozenset[Fault] = ALL_FAULTS
    modes: frozenset[str] = frozenset(MODES)
    is_kept: bool = False

    @property
    def has_queue(self) -> bool:
        """Whether some answers are messages of a queue."""
        return not self.modes.isdisjoint({"queue", "hasty-queue"})

    @property
    def is_short(self) -> bool:
        """Whether the run is short."""
        return self.seconds < SHORT
