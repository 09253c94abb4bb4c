"""Comparison of clocks, as exactly as their readings allow."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from typing import Final

from ringback.domain.default_due import MAX_LEAD
from ringback.domain.durations import format_instant
from ringback.domain.errors import ConfigurationError
from ringback.ports.clock import Clock

WARNED_FROM: Final = timedelta(seconds=1)
"""Synchronized clocks differ by some milliseconds."""

LARGEST_DIFFERENCE: Final = MAX_LEAD
"""A default answer is due this long before Temporal's timeout, so later it may be too late.

Everything else tolerates more, except webhooks of one provider, which may be 5 seconds old.
"""

DATE_HEADER: Final = timedelta(seconds=2)
"""The resolution of `Date`: it has whole seconds, and servers renew it once a second."""


class SuspectError(Exception):
    """Something works, and may soon be wrong; the text says what, and how to fix it."""


@dataclass(frozen=True, slots=True)
class Offset:
    """How far a clock is ahead of this machine's: between `low` and `high`."""

    low: timedelta
    high: timedelta

    def gap(self, other: "Offset") -> timedelta:
        """Return by how much the two clocks differ at least."""
        return max(timedelta(0), self.low - other.high, other.low - self.high)


_THIS_MACHINE: Final = Offset(timedelta(0), timedelta(0))


async def measure(
    read: Callable[[], Awaitable[datetime | None]],
    clock: Clock,
    *,
    resolution: timedelta = timedelta(0),
) -> Offset | None:
    """Read another clock, at some moment of the call; return `None` if it cannot be read.

    Args:
        read: Reads it.
        clock: The clock of this machine.
        resolution: How much later it may be than the reading says.
    """
    began_at = clock.now()
    reading = await read()
    if reading is None:
        return None
    return Offset(reading - clock.now(), reading + resolution - began_at)


def compare(offsets: Mapping[str, Offset], clock: Clock) -> str:
    """Compare this machine's clock and others with each other; say what was compared.

    Raises:
        ConfigurationError: Two differ by more than Ringback tolerates.
        SuspectError: Two differ by more than synchronized clocks do.
    """
    compared = {"this machine": _THIS_MACHINE, **offsets}
    gap, one, other = max(
        (a.gap(b), first, second) for (first, a), (second, b) in combinations(compared.items(), 2)
    )
    said = (
        f"the clocks of {one} and of {other} differ by {gap.total_seconds():.1f} s; synchronize"
        " them, for example with NTP"
    )
    if gap > LARGEST_DIFFERENCE:
        raise ConfigurationError(said)
    if gap > WARNED_FROM:
        raise SuspectError(said)
    return f"{format_instant(clock.now())}, compared with {' and '.join(offsets)}"
