"""One rule for every duration that a user gives."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

import pytest
from temporalio.exceptions import ApplicationError

from ringback.domain.activity_state import HeartbeatState
from ringback.domain.durations import (
    LATEST,
    LONGEST_DURATION,
    check_duration,
    format_instant,
    later,
    parse_duration,
)
from ringback.domain.link import link_expires_at
from ringback.domain.opening import find_or_create
from ringback.worker.options import to_options
from tests import factories

NOW = datetime(2030, 1, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize("value", [None, MOMENT, timedelta(days=1), LONGEST_DURATION])
def test_duration_up_to_ten_years_is_accepted(value: timedelta | None) -> None:
    check_duration("deadline", value)


@pytest.mark.parametrize(
    "value",
    [
        timedelta(0),
        -MOMENT,
        timedelta.min,
        LONGEST_DURATION + MOMENT,
        timedelta(days=9_999_999),
        timedelta.max,
    ],
)
def test_duration_that_is_not_positive_or_longer_than_ten_years_is_rejected(
    value: timedelta,
) -> None:
    with pytest.raises(ValueError, match=r"^deadline must be longer than zero and at most 3650 d"):
        check_duration("deadline", value)


def test_zero_is_accepted_only_where_it_means_something() -> None:
    check_duration("next_retry_delay", timedelta(0), may_be_zero=True)
    with pytest.raises(ValueError, match="at least zero"):
        check_duration("next_retry_delay", -MOMENT, may_be_zero=True)


def test_number_is_not_a_duration() -> None:
    with pytest.raises(TypeError, match="timedelta"):
        check_duration("deadline", cast("Any", 60))


@pytest.mark.parametrize("by", [timedelta(days=9_999_999), timedelta.max])
def test_instant_beyond_the_calendar_is_the_latest(by: timedelta) -> None:
    assert later(NOW, by) == LATEST
    assert later(NOW, timedelta(days=1)) == datetime(2030, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize("name", ["deadline", "cancel_within"])
@pytest.mark.parametrize("value", [timedelta(0), timedelta(days=9_999_999)])
def test_activity_that_opens_a_callback_gets_the_same_rule(name: str, value: timedelta) -> None:
    options: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=name):
        to_options(object, **options)


def test_default_failure_with_a_delay_of_a_million_years_is_rejected_at_opening() -> None:
    failure = ApplicationError("no", next_retry_delay=timedelta(days=365_000_000))

    with pytest.raises(ValueError, match="next_retry_delay"):
        to_options(object, on_deadline=failure)


def test_stored_duration_beyond_the_calendar_overflows_nowhere() -> None:
    endless = timedelta(days=9_999_999)
    request = factories.request(cancel_within=endless, deadline=endless)
    callback = find_or_create(None, request, NOW).callback

    asked = replace(callback, cancel_requested_at=NOW)

    assert asked.cancel_due_at == asked.own_deadline_at == LATEST
    assert link_expires_at(NOW, endless) == link_expires_at(NOW, timedelta.max) == LATEST
    assert HeartbeatState(timeout=endless).gap == LONGEST_DURATION / 2


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90m", timedelta(minutes=90)),
        ("1h30m", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        ("PT2H", timedelta(hours=2)),
        ("P1DT2H30M", timedelta(days=1, hours=2, minutes=30)),
        ("pt1.5s", timedelta(seconds=1.5)),
    ],
)
def test_duration_is_read_in_both_forms(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "2",
        "h",
        "30m1h",
        "1.5h",
        "-1h",
        "0s",
        "PT0S",
        "11y",
        "4000d",
        "9" * 400 + "d",
    ],
)
def test_text_that_is_not_a_duration_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_instant_ends_in_z_whatever_its_offset() -> None:
    instant = datetime(2030, 1, 1, 13, tzinfo=timezone(timedelta(hours=1)))

    assert format_instant(instant) == "2030-01-01T12:00:00Z"
