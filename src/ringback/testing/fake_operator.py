"""What happens to an activity of a test without a server: timeouts, pauses, resets."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, assert_never

from ringback.testing.activity_run import ActivityRun
from ringback.testing.kit_activities import KitActivities
from ringback.testing.open_callback import Moment, OpenCallback


@dataclass(frozen=True)
class FakeOperator:
    """Does to the activities of a test what happens in Temporal.

    Attributes:
        activities: The activities.
        find: Returns what runs the activity of a callback.
        notice: Lets the gateway notice what has happened.
    """

    activities: KitActivities
    find: Callable[[OpenCallback], ActivityRun[Any]]
    notice: Callable[[timedelta], Awaitable[None]]

    @asynccontextmanager
    async def at(self, moment: Moment, callback: OpenCallback) -> AsyncIterator[None]:
        """Bring about a moment for the block."""
        if moment == "now":
            yield
            return
        run = self.find(callback)
        match moment:
            case "between attempts":
                run.may_start = False
                self.activities.time_out_attempt(run.ref)
            case "while paused":
                self.activities.pause(run.ref)
            case "after a reset":
                self.activities.reset(run.ref)
            case "after a workflow reset":
                await self._reset_workflow(run)
            case _:
                assert_never(moment)
        await self.notice(_NOTICED)
        try:
            yield
        finally:
            if moment == "while paused":
                self.activities.unpause(run.ref)
            run.let_start()

    async def _reset_workflow(self, run: ActivityRun[Any]) -> None:
        run.may_start = False
        run.ref = self.activities.move(run.ref)
        # Until the gateway notices, the old callback has its aliases.
        await self.notice(_NOTICED)
        run.let_start()

    async def time_out(self, callback: OpenCallback) -> None:
        """Let the activity time out for good."""
        self.activities.end(self.find(callback).ref, how="timed out")
        await self.notice(_NOTICED)

    async def cancel(self, callback: OpenCallback) -> None:
        """Ask the activity to cancel."""
        self.activities.request_cancel(self.find(callback).ref)
        await self.notice(_NOTICED)


_NOTICED = timedelta(seconds=6)
"""A gateway polls every open callback more often than this."""
