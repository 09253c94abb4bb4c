"""A clock that moves only when a test advances it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final


class ManualClock:
    """A `Clock` for tests: time passes only by `advance`; `step` sets the clock."""

    def __init__(self, start: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        """Start at `start`."""
        self._now = start
        self._passed = timedelta(0)
        self._sleepers: list[tuple[timedelta, asyncio.Event]] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> timedelta:
        return self._passed

    async def sleep(self, delay: timedelta) -> None:
        awake = asyncio.Event()
        self._sleepers.append((self._passed + delay, awake))
        self._wake_due()
        await awake.wait()

    def advance(self, by: timedelta) -> None:
        """Advance time by `by`, and wake the tasks whose sleep is over."""
        self._now += by
        self._passed += by
        self._wake_due()

    def step(self, by: timedelta) -> None:
        """Set the clock forward or back by `by`: no time passes."""
        self._now += by

    def _wake_due(self) -> None:
        for wakes_at, awake in self._sleepers:
            if wakes_at <= self._passed:
                awake.set()
        self._sleepers = [sleeper for sleeper in self._sleepers if not sleeper[1].is_set()]


_TURNS: Final = 200


async def settled() -> None:
    """Let all tasks run until they wait for time, for a thread or for the network."""
    loop = asyncio.get_running_loop()
    for _ in range(_TURNS):
        turn = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn
