"""The schedule: when programs are killed or frozen, determined by the seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from chaos.options import Fault, Options
from chaos.values import chance

WIRE: Final = "wire"
"""The connection between gateways and Temporal."""

_GAPS: Final = {
    "temporal": 26.0,
    "postgresql": 18.0,
    "gateway": 11.0,
    "worker": 13.0,
    "wire": 5.0,
    "nats": 14.0,
}
"""Approximate seconds between faults, by kind of program."""

_BLOWS_AT_LEAST: Final = {WIRE: 6, "temporal": 1.5, "postgresql": 1.5}
"""Approximate minimum of faults per run. While Temporal is down, little can go wrong."""

_FAULTS: Final = {WIRE: {Fault.LOST_REPLY}}
"""Faults of the connection, which is not a process."""

_DELIVERY: Final = 0.03
"""Approximate seconds to deliver an answer to Temporal."""

_LONG_RUN: Final = 60
"""Runs of at least this many seconds have time for freezes longer than a lease."""


@dataclass(frozen=True, slots=True)
class Blow:
    """One fault of one program.

    Attributes:
        at: Seconds since the start.
        target: The program's name, as `gateway-0`; or `WIRE`.
        fault: What happens to it.
        lasts: Seconds that it is down or frozen.
        poised: Seconds after the next accepted answer at which it happens, so that it
            falls into a delivery; `None` for no matter when.
    """

    at: float
    target: str
    fault: Fault
    lasts: float
    poised: float | None = None


def schedule(options: Options, targets: Sequence[str]) -> list[Blow]:
    """Return the faults of `targets`, ordered by time."""
    blows = [blow for target in targets for blow in _for_target(options, target)]
    return sorted(blows, key=lambda blow: (blow.at, blow.target))


def _for_target(options: Options, target: str) -> Iterator[Blow]:
    random = chance(options.seed, "blows", target)
    sort = target.partition("-")[0]
    kinds = sorted(options.faults & _FAULTS.get(sort, {Fault.KILL, Fault.FREEZE}))
    gap = min(_GAPS[sort], options.seconds / _BLOWS_AT_LEAST.get(sort, 3))
    at = random.uniform(0.2, 1) * gap
    while kinds and at < options.seconds:
        fault = random.choice(kinds)
        lasts = _lasts(random, options, fault, sort=sort)
        poised = random.choice([None, round(random.uniform(0, _DELIVERY), 4)])
        yield Blow(round(at, 2), target, fault, round(lasts, 2), poised)
        at += lasts + random.uniform(0.5, 1.5) * gap


def _lasts(random: Random, options: Options, fault: Fault, *, sort: str) -> float:
    match fault:
        case Fault.KILL:
            return random.uniform(0, 2)
        case Fault.FREEZE:
            return _freeze(random, options, sort)
        case _:
            return random.uniform(0.2, 0.8)


def _freeze(random: Random, options: Options, sort: str) -> float:
    """Return the length of a freeze: sometimes longer than a request or a lease."""
    lot = random.random()
    is_ours = sort in {"gateway", "worker"}
    if is_ours and options.seconds >= _LONG_RUN and lot < 0.12:
        return random.uniform(16, 20)
    if options.seconds >= _LONG_RUN / 2 and lot < 0.4:
        return random.uniform(5.5, 8)
    return random.uniform(0.3, 3)
