"""Metrics in memory, served in the text format of Prometheus."""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from inspect import signature
from typing import Any, Final, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family

from ringback.core.gauges import Reading
from ringback.core.hooks import COUNTED, Hooks
from ringback.core.metrics import Kind, Metric
from ringback.domain.errors import AnsweredDifferentlyError, RingbackError
from ringback.domain.ids import CallbackId
from ringback.domain.text_checks import error_words
from ringback.instrumentation import metrics
from ringback.instrumentation.metrics import METRICS, READ
from ringback.ports.deliveries import Settlement
from ringback.ports.store import Answer

T = TypeVar("T", Counter, Gauge)

_NAMED: Final[Mapping[Kind, Mapping[str, Metric]]] = {
    kind: {one.name: one for one in METRICS if one.kind is kind and one not in READ}
    for kind in Kind
}
"""The metrics of each kind that this module counts, by name."""


class PrometheusHooks(Hooks):
    """Counts what a gateway reports, and returns it as text.

    Each instance has a registry of its own, so that several gateways of one process do not mix.

    Attributes:
        queues: Whether each queue is connected.
    """

    def __init__(self, version: str) -> None:
        """Start with zeros, in this version of Ringback."""
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self.queues: dict[str, bool] = {}
        self._read = _Read()
        self._registry.register(self._read)
        self._counters = self._create(Counter, Kind.COUNTER)
        self._gauges = self._create(Gauge, Kind.GAUGE)
        self._histograms = {
            name: Histogram(
                name, one.meaning, one.labels, buckets=one.buckets, registry=self._registry
            )
            for name, one in _NAMED[Kind.HISTOGRAM].items()
        }
        for metric in METRICS:
            for value in metric.starts:
                self._counters[metric.name].labels(value)
        build = self._gauges[metrics.BUILD_INFO.name]
        build.labels(version, platform.python_version()).set(1)

    def _create(self, make: type[T], kind: Kind) -> dict[str, T]:
        return {
            name: make(name, one.meaning, one.labels, registry=self._registry)
            for name, one in _NAMED[kind].items()
        }

    def _count(self, metric: Metric, *labels: str, by: float = 1) -> None:
        counter = self._counters[metric.name]
        (counter.labels(*labels) if labels else counter).inc(by)

    def _observe(self, metric: Metric, value: float, *labels: str) -> None:
        histogram = self._histograms[metric.name]
        (histogram.labels(*labels) if labels else histogram).observe(value)

    def render(
        self,
        reading: Reading | None,
        *,
        can_write: bool,
        is_temporal_up: bool | None,
        missing_link_keys: int = 0,
    ) -> bytes:
        """Return all metrics as text.

        Args:
            reading: The gauges of the store; `None` if it cannot be read.
            can_write: Whether the store accepts writes.
            is_temporal_up: Whether Temporal can be used; `None` if this process does not check.
            missing_link_keys: How many link keys of open callbacks this process lacks.
        """
        self._read.families = [
            _family(metrics.STORE_WRITABLE, can_write),
            *_to_families(reading, is_temporal_up=is_temporal_up, missing=missing_link_keys),
        ]
        return generate_latest(_WithoutCreated(self._registry))

    def callback_opened(self, callback_id: CallbackId, *, is_new: bool) -> None:  # noqa: ARG002 - no metric has an id
        self._count(metrics.OPENED, "opened" if is_new else "reopened")

    def answers_accepted(self, answers: Sequence[Answer]) -> None:
        self._count(metrics.ANSWERS, "accepted", by=len(answers))

    def answer_repeated(self) -> None:
        self._count(metrics.ANSWERS, "duplicate")

    def answer_refused(self, error: RingbackError) -> None:
        is_conflict = isinstance(error, AnsweredDifferentlyError)
        self._count(metrics.ANSWERS, "conflict" if is_conflict else "refused")
        self._count(metrics.REFUSED, error_words(type(error)).replace(" ", "-"))

    def outcomes_settled(self, settlements: Sequence[Settlement]) -> None:
        for settlement in settlements:
            self._count(metrics.DELIVERIES, settlement.verdict.value)

    def outcome_applied(self, waited: timedelta) -> None:
        # The clock of the store may be ahead of this machine's.
        self._observe(metrics.ACCEPT_TO_APPLIED, max(0.0, waited.total_seconds()))

    def queue_changed(self, queue: str, *, is_connected: bool) -> None:
        self.queues[queue] = is_connected
        self._gauges[metrics.QUEUE_CONNECTED.name].labels(queue).set(is_connected)

    def commit_ended(self, kind: str, size: int, seconds: float) -> None:
        self._observe(metrics.COMMIT_SIZE, size, kind)
        self._observe(metrics.COMMIT_SECONDS, seconds, kind)

    def body_bytes_changed(self, in_flight: int) -> None:
        self._gauges[metrics.BODY_BYTES.name].set(in_flight)


def _counting(event: str, metric: Metric) -> Callable[..., None]:
    takes = signature(getattr(Hooks, event))

    def report(self: PrometheusHooks, *values: Any, **named: Any) -> None:
        facts = takes.bind(self, *values, **named).arguments
        self._count(metric, *(facts[name] for name in metric.labels), by=facts.get("count", 1))

    return report


for _event, _metric in COUNTED.items():
    setattr(PrometheusHooks, _event, _counting(_event, _metric))


class _Read:
    """Collects the gauges of the latest reading."""

    def __init__(self) -> None:
        self.families: Sequence[Family] = ()

    def collect(self) -> Iterable[Family]:
        return self.families


class _WithoutCreated:
    """Collects without the time at which each counter was created: no text format needs it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Family]:
        for family in self._registry.collect():
            family.samples = [one for one in family.samples if not one.name.endswith("_created")]
            yield family


def _to_families(
    reading: Reading | None, *, is_temporal_up: bool | None, missing: int
) -> Iterator[Family]:
    if is_temporal_up is not None:
        yield _family(metrics.TEMPORAL_UP, is_temporal_up)
    yield _family(metrics.STORE_UP, reading is not None)
    if reading is None:
        return
    snapshot = reading.snapshot
    callbacks = GaugeMetricFamily(
        metrics.CALLBACKS.name, metrics.CALLBACKS.meaning, labels=metrics.CALLBACKS.labels
    )
    for state, count in reading.states.items():
        callbacks.add_metric([state.value], count)
    if reading.states:
        yield callbacks
    for metric, since in (
        (metrics.OLDEST_UNDELIVERED, reading.undelivered_since),
        (metrics.OLDEST_OVERDUE, snapshot.overdue_since),
        (metrics.OLDEST_EVENT, snapshot.events.since),
    ):
        yield _family(metric, _age(since, snapshot.at))
    yield _family(metrics.EVENTS_WAITING, snapshot.events.count)
    yield _family(metrics.LINK_KEYS_MISSING, missing)


def _family(metric: Metric, value: float) -> Family:
    return GaugeMetricFamily(metric.name, metric.meaning, value=float(value))


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
