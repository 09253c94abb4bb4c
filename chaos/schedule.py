"""The schedule: when which program is killed or frozen, all of it from the seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from chaos.options import Fault, Options
from chaos.values import chance

_GAPS: Final = {"temporal": 26.0, "postgresql": 18.0, "gateway": 11.0, "worker": 13.0}
"""About how many seconds a program of a sort is left alone."""

_LONG_RUN: Final = 60
"""From how many seconds on a run has time for what is longer than a lease."""


@dataclass(frozen=True, slots=True)
class Blow:
    """One fault of one program.

    Attributes:
        at: When, in seconds since the beginning.
        target: The program's name, as `gateway-0`.
        fault: What happens to it.
        lasts: For how many seconds it is down or stands still.
    """

    at: float
    target: str
    fault: Fault
    lasts: float


def schedule(options: Options, targets: Sequence[str]) -> list[Blow]:
    """Return the blows for `targets`, in the order of time."""
    blows = [blow for target in targets for blow in _for_target(options, target)]
    return sorted(blows, key=lambda blow: (blow.at, blow.target))


def _for_target(options: Options, target: str) -> Iterator[Blow]:
    random = chance(options.seed, "blows", target)
    kinds = sorted(options.faults & {Fault.KILL, Fault.FREEZE})
    sort = target.partition("-")[0]
    gap = min(_GAPS[sort], options.seconds / 3)
    at = random.uniform(0.2, 1) * gap
    while kinds and at < options.seconds:
        fault = random.choice(kinds)
        lasts = random.uniform(0, 2) if fault is Fault.KILL else _freeze(random, options, sort)
        yield Blow(round(at, 2), target, fault, round(lasts, 2))
        at += lasts + random.uniform(0.5, 1.5) * gap


def _freeze(random: Random, options: Options, sort: str) -> float:
    """Return how long to stand still: at times longer than a request may take, or a lease lasts."""
    lot = random.random()
    is_ours = sort in {"gateway", "worker"}
    if is_ours and options.seconds >= _LONG_RUN and lot < 0.12:
        return random.uniform(16, 20)
    if options.seconds >= _LONG_RUN / 2 and lot < 0.4:
        return random.uniform(5.5, 8)
    return random.uniform(0.3, 3)
