"""Figures: what was measured, each with its spread, and the bars that it must reach."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Final, NamedTuple

RATE: Final = "rate"
P50: Final = "p50"
P99: Final = "p99"


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the percentile of at least two `values`."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure, measured as often as there were repetitions.

    Attributes:
        of: Whose it is, as "Ringback, SQLite".
        at: At which setting, as "64 connections".
        what: Which figure, as "rate".
        unit: Its unit, as "/s".
        values: One for each repetition, in their order.
    """

    of: str
    at: str
    what: str
    unit: str
    values: Sequence[float]

    @property
    def median(self) -> float:
        """The middle of the repetitions."""
        return median(self.values)

    @property
    def lowest(self) -> float:
        """The smallest of the repetitions."""
        return min(self.values)

    @property
    def highest(self) -> float:
        """The largest of the repetitions."""
        return max(self.values)


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure must reach.

    Attributes:
        sentence: What must be, in words.
        wanted: The least value, or the most where `is_ceiling`.
        values: What was reached, in each repetition; the median counts.
        unit: Of all of them; empty for a ratio.
        is_ceiling: Whether less is better.
    """

    sentence: str
    wanted: float
    values: Sequence[float]
    unit: str = ""
    is_ceiling: bool = False

    @property
    def got(self) -> float:
        """The middle of what was reached."""
        return median(self.values)

    @property
    def is_met(self) -> bool:
        """Whether the middle is at least, or at most, what was wanted."""
        return self.got <= self.wanted if self.is_ceiling else self.got >= self.wanted


class Figures:
    """The figures of one part, to be looked up."""

    def __init__(self, measured: Iterable[Measured]) -> None:
        """Hold `measured`."""
        self._measured = {(one.of, one.at, one.what): one for one in measured}

    def __iter__(self) -> Iterator[Measured]:
        """Iterate over the figures, in the order in which they were first noted."""
        return iter(self._measured.values())

    def values(self, of: str, *, at: str, what: str) -> Sequence[float]:
        """Return the repetitions of one figure.

        Raises:
            KeyError: It was not measured.
        """
        return self._measured[of, at, what].values

    def find(self, of: str, *, at: str, what: str) -> Measured | None:
        """Return one figure, if it was measured."""
        return self._measured.get((of, at, what))

    def ratios(self, of: str, beside: str, *, at: str, what: str = RATE) -> Sequence[float]:
        """Return one figure divided by another's, repetition by repetition.

        Both of a repetition were measured within seconds, so that what slows the machine down for
        a minute slows both.

        Raises:
            KeyError: One of them was not measured.
        """
        return [ours / theirs for ours, theirs in self._pairs(of, beside, at=at, what=what)]

    def differences(self, of: str, beside: str, *, at: str, what: str) -> Sequence[float]:
        """Return one figure less another's, repetition by repetition.

        Raises:
            KeyError: One of them was not measured.
        """
        return [ours - theirs for ours, theirs in self._pairs(of, beside, at=at, what=what)]

    def _pairs(self, of: str, beside: str, *, at: str, what: str) -> Iterator[tuple[float, float]]:
        values = (self.values(one, at=at, what=what) for one in (of, beside))
        return zip(*values, strict=True)


class _Key(NamedTuple):
    of: str
    at: str
    what: str
    unit: str


class Notes:
    """Collects single values, and makes figures of those that belong together."""

    def __init__(self) -> None:
        """Begin with none."""
        self._values: dict[_Key, list[float]] = {}

    def add(self, value: float, unit: str, *, of: str, at: str, what: str) -> None:
        """Note the value of one repetition."""
        self._values.setdefault(_Key(of, at, what, unit), []).append(value)

    def measured(self) -> list[Measured]:
        """Return the figures, in the order in which each was first noted."""
        return [
            Measured(key.of, key.at, key.what, key.unit, tuple(values))
            for key, values in self._values.items()
        ]
