"""Metrics in the text format of Prometheus."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ringback.core.gauges import Reading
from ringback.core.hooks import Hooks
from ringback.core.metrics import Kind
from ringback.domain.callback import State
from ringback.domain.errors import AnsweredDifferentlyError, UnknownCallbackError
from ringback.domain.ids import CallbackId
from ringback.instrumentation.metrics import METRICS, READ
from ringback.instrumentation.prometheus import PrometheusHooks
from ringback.ports.deliveries import Settlement
from ringback.ports.gauges import Snapshot, Waiting
from tests import factories
from tests.unit.core.test_hooks_of_all import EVENTS

SECOND: Final = timedelta(seconds=1)
FOREIGN: Final = ("process_", "python_")
SNAPSHOT: Final = Snapshot(
    at=factories.NOW,
    undelivered=Waiting(2, factories.NOW - 3 * SECOND),
    events=Waiting(4, factories.NOW - 5 * SECOND),
    parked=0,
    overdue_since=factories.NOW - 7 * SECOND,
)
READING: Final = Reading(SNAPSHOT, factories.NOW - 3 * SECOND, dict.fromkeys(State, 9))


@pytest.fixture
def hooks() -> PrometheusHooks:
    return PrometheusHooks("1.2.3")


def samples(
    hooks: PrometheusHooks, reading: Reading | None = None
) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = hooks.render(reading, can_write=True, is_temporal_up=True).decode()
    return {
        (one.name, frozenset(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def value(hooks: PrometheusHooks, name: str, **labels: str) -> float | None:
    return samples(hooks, READING).get((name, frozenset(labels.items())))


def report_everything(hooks: Hooks) -> Iterator[str]:
    for name, report in EVENTS.items():
        report(hooks)
        yield name
    hooks.answers_accepted([factories.answer(CallbackId("cb_secret"))])
    hooks.outcomes_settled([Settlement(CallbackId("cb_secret"), 1, State.APPLIED, {"by": "me"})])


def test_every_metric_of_the_table_is_served_and_no_other(hooks: PrometheusHooks) -> None:
    assert list(report_everything(hooks))
    text = hooks.render(READING, can_write=True, is_temporal_up=False).decode()

    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    own = {name: kind for name, kind in types.items() if not name.startswith(FOREIGN)}

    assert own == {metric.name: metric.kind.value for metric in METRICS}


def test_labels_are_those_of_the_table(hooks: PrometheusHooks) -> None:
    assert list(report_everything(hooks))
    allowed = {metric.name: set(metric.labels) for metric in METRICS}

    for name, labels in samples(hooks, READING):
        metric = re.sub(r"_(bucket|sum|count)$", "", name)
        if metric in allowed:
            assert {label for label, _ in labels} - {"le"} == allowed[metric], name


def test_no_metric_has_an_id(hooks: PrometheusHooks) -> None:
    assert list(report_everything(hooks))

    assert b"cb_" not in hooks.render(READING, can_write=True, is_temporal_up=True)


def test_answers_are_counted_by_result_and_reason(hooks: PrometheusHooks) -> None:
    hooks.answers_accepted([factories.answer(CallbackId("cb_1")) for _ in range(3)])
    hooks.answer_repeated()
    hooks.answer_refused(UnknownCallbackError())
    hooks.answer_refused(AnsweredDifferentlyError(CallbackId("cb_1"), factories.NOW))

    results = {
        result: value(hooks, "ringback_answers_total", result=result)
        for result in ("accepted", "duplicate", "conflict", "refused")
    }

    assert results == {"accepted": 3, "duplicate": 1, "conflict": 1, "refused": 1}
    reasons = ("unknown-callback", "answered-differently")
    assert [value(hooks, "ringback_answers_refused_total", reason=one) for one in reasons] == [1, 1]


def test_counted_event_takes_exactly_its_own_facts(hooks: PrometheusHooks) -> None:
    hooks.rows_purged(count=3, kind="events")
    report: Any = hooks.key_refused

    assert value(hooks, "ringback_purged_total", kind="events") == 3
    with pytest.raises(TypeError, match="too many"):
        report("revoked", "again")


def test_negative_time_until_applied_counts_as_none(hooks: PrometheusHooks) -> None:
    hooks.outcome_applied(-SECOND)
    hooks.outcome_applied(SECOND)

    assert value(hooks, "ringback_accept_to_applied_seconds_sum") == 1
    assert value(hooks, "ringback_accept_to_applied_seconds_count") == 2


def test_gauges_of_the_store_are_ages_and_counts(hooks: PrometheusHooks) -> None:
    shown = {
        "ringback_oldest_undelivered_age_seconds": 3,
        "ringback_oldest_waiting_event_age_seconds": 5,
        "ringback_oldest_overdue_age_seconds": 7,
        "ringback_events_waiting": 4,
        "ringback_store_up": 1,
    }

    assert {name: value(hooks, name) for name in shown} == shown
    assert value(hooks, "ringback_callbacks", state="open") == 9


def test_gauges_of_a_store_that_is_away_are_absent(hooks: PrometheusHooks) -> None:
    found = samples(hooks, None)

    names = {name for name, _ in found}
    others = {"ringback_store_up", "ringback_store_writable", "ringback_temporal_up"}
    of_the_store = {one.name for one in READ} - others
    assert found["ringback_store_up", frozenset()] == 0
    assert not names & of_the_store


def test_callbacks_are_absent_until_they_are_counted(hooks: PrometheusHooks) -> None:
    found = samples(hooks, Reading(SNAPSHOT, None, {}))

    assert "ringback_callbacks" not in {name for name, _ in found}
    assert found["ringback_oldest_undelivered_age_seconds", frozenset()] == 0


def test_process_that_checks_no_temporal_says_nothing_of_it(hooks: PrometheusHooks) -> None:
    assert b"ringback_temporal_up" not in hooks.render(None, can_write=True, is_temporal_up=None)


def test_two_gateways_of_one_process_count_apart() -> None:
    one, other = PrometheusHooks("1"), PrometheusHooks("1")

    one.answer_repeated()

    assert value(one, "ringback_answers_total", result="duplicate") == 1
    assert value(other, "ringback_answers_total", result="duplicate") == 0


def test_process_shows_its_own_cost(hooks: PrometheusHooks) -> None:
    names = {name for name, _ in samples(hooks)}

    assert {
        *("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"),
        "python_gc_collections_total",
    } <= names


def test_counters_end_in_total_and_times_in_seconds() -> None:
    for metric in METRICS:
        assert metric.name.startswith("ringback_")
        assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total")
        assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
