"""Links of unknown keys are reported once, and can fill neither the log nor the memory."""

import logging
from datetime import timedelta

import pytest

from ringback.gateway.rare_warnings import MOST_REMEMBERED, MOST_WARNINGS, PERIOD, UnknownKeyLog
from ringback.testing import ManualClock
from tests.factories import NOW


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


def test_each_unknown_key_is_logged_once(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = UnknownKeyLog(clock)

    for _ in range(3):
        unknown.report("k43af89")
        clock.advance(PERIOD)

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "k43af89" in record.getMessage()
    assert "RINGBACK_DATA" in record.getMessage()


def test_invented_keys_do_not_flood_the_log(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = UnknownKeyLog(clock)

    for number in range(1000):
        unknown.report(f"k{number}")

    assert len(caplog.records) == MOST_WARNINGS
    clock.advance(PERIOD)
    unknown.report("genuine")
    assert "genuine" in caplog.text


def test_invented_keys_do_not_fill_the_memory(clock: ManualClock) -> None:
    unknown = UnknownKeyLog(clock)

    for number in range(2 * MOST_REMEMBERED):
        unknown.report(f"k{number}")
        clock.advance(PERIOD / MOST_WARNINGS)

    assert unknown.remembered <= MOST_REMEMBERED


def test_clock_that_is_set_back_does_not_silence_warnings(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = UnknownKeyLog(clock)
    for number in range(MOST_WARNINGS):
        unknown.report(f"k{number}")

    clock.advance(-timedelta(days=1))
    unknown.report("genuine")

    assert "genuine" in caplog.text
