"""What a metric is. `core.hooks` and `instrumentation.metrics` have the metrics."""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How the value of a metric changes."""

    COUNTER = "counter"
    """It counts what this process did since its start."""

    GAUGE = "gauge"
    """It is read when it is scraped."""

    HISTOGRAM = "histogram"
    """It counts what this process did, by size."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric.

    Attributes:
        name: The name, which ends with the unit or, of a counter, with `_total`.
        meaning: What it measures, in a sentence; also its help in the exposition.
        labels: The names of its labels.
        values: The values that the labels may have, in words.
        buckets: The upper bounds of a histogram's buckets.
        starts: Values of the only label that exist with 0 from the start: a rate needs the value
            before the first event.
    """

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    values: str = ""
    buckets: tuple[float, ...] = ()
    starts: tuple[str, ...] = ()
