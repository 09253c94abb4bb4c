"""What a run of chaos is told."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Fault(StrEnum):
    """What may go wrong on purpose."""

    KILL = "kill"
    FREEZE = "freeze"
    LOST_REPLY = "lost-reply"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    DELAY = "delay"
    HANG_UP = "hang-up"


class StoreKind(StrEnum):
    """Which database the ledger is in."""

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
}
"""What is special about a workflow, and how often that is so."""

SHORT: Final = 30
"""A run of fewer seconds is a short one: all of it goes faster, to come to rest sooner."""

ALL_FAULTS: Final = frozenset(Fault)


@dataclass(frozen=True, slots=True)
class Options:
    """One run.

    Attributes:
        seed: Decides scripts, answers and faults.
        callbacks: How many questions are asked; failures that Temporal retries ask a few more.
        seconds: For how long questions are asked and faults happen.
        settle: How long the end may take to come to rest, in seconds.
        store: Where the ledger is.
        gateways: How many gateways take answers.
        workers: How many worker processes run.
        faults: What goes wrong.
        modes: Which of `MODES` there are.
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
    def is_short(self) -> bool:
        """Whether it has to be quick."""
        return self.seconds < SHORT
