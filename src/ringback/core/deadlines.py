"""Deadlines: take the default answer where nobody gave one in time."""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from ringback.core.activity_poller import ActivityChecker
from ringback.core.services import FailureLog, OutageLog, caught, write_each
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.ports.clock import Clock
from ringback.ports.deadlines import Deadlines

logger = logging.getLogger(__name__)

PAGE: Final = 100
LONGEST_REST: Final = timedelta(seconds=1)
"""How late a deadline is seen that another process set."""


class DeadlineKeeper:
    """Accepts default answers when they are due, each as if somebody had given it."""

    def __init__(
        self,
        deadlines: Deadlines,
        activity_checker: ActivityChecker,
        *,
        clock: Clock,
        new_outcome_id: Callable[[], OutcomeId],
        on_accepted: Callable[[], None],
    ) -> None:
        """Keep `deadlines`; `activity_checker` looks first whether Temporal has moved one."""
        self._deadlines = deadlines
        self._activity_checker = activity_checker
        self._clock = clock
        self._new_outcome_id = new_outcome_id
        self._on_accepted = on_accepted
        self._outages = OutageLog(logger, "keep deadlines")
        self._failures = FailureLog(logger, "take a default answer")

    async def run(self) -> None:
        """Keep deadlines until canceled."""
        while True:
            is_behind = await caught(self.accept_due())
            self._outages.record(is_behind)
            # What is due and was not taken is postponed: it is not tried at once again.
            await self._clock.sleep(LONGEST_REST if is_behind else await self._rest())

    async def accept_due(self) -> bool:
        """Take the default answers that are due now, once; return whether some had to be left.

        Raises:
            RetryableError: The store could not be reached.
        """
        due = await self._deadlines.due_defaults(limit=PAGE)
        if not due:
            return False
        # An operator may have given the activity more time, or it may have ended: then it is not
        # due. A deadline of the activity's own needs no look: it has passed.
        seen = await self._activity_checker.check(due)
        ids = [one.id for one in due if one.id in seen or one.default_due_at == one.own_deadline_at]
        taken = await self._take_each(ids)
        left = [one.id for one in due if one.id not in taken]
        if left:
            await self._deadlines.postpone_defaults(left, LONGEST_REST)
        return bool(left)

    async def _take_each(self, ids: Sequence[CallbackId]) -> set[CallbackId]:
        taken: set[CallbackId] = set()

        async def take(some: Sequence[CallbackId]) -> None:
            taken.update(await self._deadlines.accept_defaults(some, self._new_outcome_id))

        for callback_id, failure in await write_each(take, ids):
            self._failures.report(callback_id, failure)
        for callback_id in sorted(taken):
            logger.info("default answer accepted", extra={"callback_id": callback_id})
        if taken:
            self._on_accepted()
        return taken

    async def _rest(self) -> timedelta:
        until_next = await caught(self._deadlines.next_default())
        if until_next is None or isinstance(until_next, Exception):
            return LONGEST_REST
        return min(until_next, LONGEST_REST)
