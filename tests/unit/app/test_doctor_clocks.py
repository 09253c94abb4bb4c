"""`ringback doctor` compares clocks."""

from datetime import datetime, timedelta

import pytest

from ringback.app.doctor import run_check
from ringback.app.doctor_checks import (
    DATE_HEADER,
    LARGEST_DIFFERENCE,
    WARNED_FROM,
    Offset,
    SuspectError,
    compare,
    measure,
)
from ringback.domain.errors import ConfigurationError
from ringback.testing import ManualClock

SECOND = timedelta(seconds=1)
MOMENT = timedelta(milliseconds=1)


def exactly(ahead: timedelta) -> Offset:
    return Offset(ahead, ahead)


async def test_offset_allows_for_the_time_of_the_request_and_the_resolution(
    clock: ManualClock,
) -> None:
    async def read() -> datetime:
        clock.advance(SECOND)
        return clock.now() + 3 * SECOND

    assert await measure(read, clock, resolution=DATE_HEADER) == Offset(3 * SECOND, 6 * SECOND)


async def test_clock_that_cannot_be_read_has_no_offset(clock: ManualClock) -> None:
    async def read() -> None:
        return None

    assert await measure(read, clock) is None


@pytest.mark.parametrize("sign", [1, -1])
def test_difference_is_accepted_then_warned_of_then_wrong(clock: ManualClock, sign: int) -> None:
    accepted = compare({"the database": exactly(sign * WARNED_FROM)}, clock)
    with pytest.raises(SuspectError, match=r"this machine and of the database differ by 5\.0 s"):
        compare({"the database": exactly(sign * LARGEST_DIFFERENCE)}, clock)
    with pytest.raises(ConfigurationError, match="synchronize them"):
        compare({"the database": exactly(sign * (LARGEST_DIFFERENCE + MOMENT))}, clock)

    assert accepted.endswith("compared with the database")


def test_gateway_and_database_are_compared_with_each_other(clock: ManualClock) -> None:
    apart = {"the gateway": exactly(3 * SECOND), "the database": exactly(-3 * SECOND)}

    with pytest.raises(ConfigurationError, match=r"gateway and of the database differ by 6\.0 s"):
        compare(apart, clock)


def test_difference_that_the_reading_may_explain_is_accepted(clock: ManualClock) -> None:
    compare({"the gateway": Offset(-10 * SECOND, SECOND)}, clock)


async def test_difference_to_be_warned_of_is_a_warning() -> None:
    async def check() -> str:
        msg = "the clocks differ"
        raise SuspectError(msg)

    found = await run_check("clock", check)

    assert (found.status, found.detail) == ("warning", "the clocks differ")
