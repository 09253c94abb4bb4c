"""Due times are repaired at the start, when the clock was set back, and every minute."""

from datetime import timedelta

import pytest

from ringback.core.activity_poller import PollSchedule
from ringback.core.deadlines import ANYWAY_EVERY, EVERY, DueTimeRepair
from ringback.core.services import run_services
from ringback.domain.errors import StoreUnavailableError
from ringback.ports.deadlines import LongestWaits
from ringback.testing import ManualClock
from tests.loops import idle

HOUR = timedelta(hours=1)


class DueTimesAhead:
    """Counts the repairs."""

    def __init__(self) -> None:
        self.repairs: list[LongestWaits] = []
        self.is_away = False

    async def repair(self, longest: LongestWaits) -> int:
        self.repairs.append(longest)
        if self.is_away:
            msg = "away"
            raise StoreUnavailableError(msg)
        return len(self.repairs) - 1


async def test_due_times_are_repaired_at_the_start_and_as_soon_as_the_clock_is_set_back(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    ahead = DueTimesAhead()

    async with run_services(DueTimeRepair(ahead, PollSchedule(50), clock=clock)):
        await idle()
        clock.advance(EVERY)
        clock.step(HOUR)
        await idle()
        before = len(ahead.repairs)
        clock.step(-HOUR)
        clock.advance(EVERY)
        await idle()

    assert (before, len(ahead.repairs)) == (1, 2)
    assert "the clock was set back: 1 due times" in caplog.text


async def test_due_times_are_repaired_every_minute_and_after_an_outage_of_the_store(
    clock: ManualClock,
) -> None:
    ahead = DueTimesAhead()
    ahead.is_away = True

    async with run_services(DueTimeRepair(ahead, PollSchedule(50), clock=clock)):
        for _ in range(int(ANYWAY_EVERY / EVERY) * 3):
            await idle()
            clock.advance(EVERY)
        await idle()

    assert len(ahead.repairs) == 4


async def test_polls_may_be_due_as_far_ahead_as_the_budget_requires(
    clock: ManualClock,
) -> None:
    ahead, schedule = DueTimesAhead(), PollSchedule(50)
    for _ in range(600):
        schedule.record(is_behind=True)

    await DueTimeRepair(ahead, schedule, clock=clock).repair()

    assert ahead.repairs[0].poll > schedule.longest > timedelta(minutes=10)
