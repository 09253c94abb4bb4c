"""Deadlines: accept the default answer if no other arrived in time."""

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
        ids = [one.id for one in due if one.id in seen or one.default_due_at == one.own_deadline_at]
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
        for callback_id in sorted(accepted):
            logger.info("default answer accepted", extra={"callback_id": callback_id})
        if accepted:
            self._on_accepted()
        return accepted

    async def _rest(self) -> timedelta:
        until_next = await caught(self._deadlines.next_default())
        if until_next is None or isinstance(until_next, Exception):
            return LONGEST_REST
        return min(until_next, LONGEST_REST)
