"""Deadlines: accept the default answer if no other arrived in time.

Due times that a clock set back has left far ahead are repaired.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from ringback.core.activity_poller import ActivityChecker, PollSchedule
from ringback.core.delivery_failures import LONGEST_ON_WRONG_SERVER
from ringback.core.services import FailureLog, OutageLog, caught, write_each
from ringback.core.webhook_sender import LONGEST_WAIT
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.ports.clock import Clock
from ringback.ports.deadlines import Deadlines, DueTimes, LongestWaits

logger = logging.getLogger(__name__)

PAGE: Final = 100
LONGEST_REST: Final = timedelta(seconds=1)
"""The longest time until the deadline of a callback that another process opened is noticed."""


class DeadlineKeeper:
    """Accepts default answers when they are due, like answers of a sender."""

    def __init__(
        self,
        deadlines: Deadlines,
        activity_checker: ActivityChecker,
        *,
        clock: Clock,
        new_outcome_id: Callable[[], OutcomeId],
        on_accepted: Callable[[], None],
    ) -> None:
        """Serve `deadlines`; `activity_checker` first checks whether Temporal has moved one."""
        self._deadlines = deadlines
        self._activity_checker = activity_checker
        self._clock = clock
        self._new_outcome_id = new_outcome_id
        self._on_accepted = on_accepted
        self._outages = OutageLog(logger, "accept default answers")
        self._failures = FailureLog(logger, "accept a default answer")

    async def run(self) -> None:
        """Accept default answers until canceled."""
        while True:
            is_behind = await caught(self.accept_due())
            self._outages.record(is_behind)
            # A default answer that was not accepted is postponed, not retried at once.
            await self._clock.sleep(LONGEST_REST if is_behind else await self._rest())

    async def accept_due(self) -> bool:
        """Accept the default answers that are due now; return whether some were postponed.

        Raises:
            RetryableError: The store could not be reached.
        """
        due = await self._deadlines.due_defaults(limit=PAGE)
        if not due:
            return False
        # An operator may have extended Temporal's timeout, or the activity may have ended. The
        # activity's own deadline needs no check: it has passed.
        seen = await self._activity_checker.check(due)
        ids = [
            one.id for one in due if one.id in seen or one.default_due_at == one.own_default_due_at
        ]
        accepted = await self._accept_each(ids)
        rejected = [one.id for one in due if one.id not in accepted]
        if rejected:
            await self._deadlines.postpone_defaults(rejected, LONGEST_REST)
        return bool(rejected)

    async def _accept_each(self, ids: Sequence[CallbackId]) -> set[CallbackId]:
        accepted: set[CallbackId] = set()

        async def accept(some: Sequence[CallbackId]) -> None:
            accepted.update(await self._deadlines.accept_defaults(some, self._new_outcome_id))

        for callback_id, failure in await write_each(accept, ids):
            self._failures.report(callback_id, failure)
        if accepted:
            facts = {"callback_ids": " ".join(sorted(accepted))}
            logger.info("default answers accepted", extra=facts)
            self._on_accepted()
        return accepted

    async def _rest(self) -> timedelta:
        until_next = await caught(self._deadlines.next_default())
        if until_next is None or isinstance(until_next, Exception):
            return LONGEST_REST
        return min(until_next, LONGEST_REST)


EVERY: Final = timedelta(seconds=5)
"""The interval at which the clock is compared with the monotonic clock."""

ANYWAY_EVERY: Final = timedelta(minutes=1)
"""The interval of repairs without that sign, since the database may have another clock."""

_STEP: Final = timedelta(seconds=1)
_MARGIN: Final = timedelta(minutes=1)


class DueTimeRepair:
    """Repairs due times at its start, when the clock was set back, and every minute."""

    def __init__(self, due_times: DueTimes, schedule: PollSchedule, *, clock: Clock) -> None:
        """Repair `due_times`; `schedule` says how far ahead a poll may be due."""
        self._due_times = due_times
        self._schedule = schedule
        self._clock = clock
        self._outages = OutageLog(logger, "repair due times")

    async def run(self) -> None:
        """Repair until canceled."""
        began_at = self._origin()
        repaired_at: timedelta | None = None
        while True:
            is_set_back = self._origin() < began_at - _STEP
            began_at = self._origin()
            now = self._clock.monotonic()
            is_time = repaired_at is None or now - repaired_at >= ANYWAY_EVERY
            if is_set_back or is_time:
                self._outages.record(await caught(self.repair()))
                repaired_at = now
            await self._clock.sleep(EVERY)

    async def repair(self) -> None:
        """Repair once.

        Raises:
            StoreUnavailableError: The store could not be reached.
        """
        longest = LongestWaits(
            delivery=LONGEST_ON_WRONG_SERVER + _MARGIN,
            webhook=LONGEST_WAIT,
            poll=2 * self._schedule.longest + _MARGIN,
        )
        repaired = await self._due_times.repair(longest)
        if repaired:
            logger.warning("the clock was set back: %d due times were too far ahead", repaired)

    def _origin(self) -> datetime:
        """Return the wall-clock time at which the monotonic clock started."""
        return self._clock.now() - self._clock.monotonic()
