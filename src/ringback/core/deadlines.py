"""Deadlines: take the default answer where nobody gave one in time."""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from ringback.core.observe import Observer
from ringback.core.service import Trouble, caught
from ringback.domain.callback import Callback
from ringback.domain.errors import TemporalUnreachableError
from ringback.domain.ids import OutcomeId
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
        observer: Observer,
        *,
        clock: Clock,
        new_outcome_id: Callable[[], OutcomeId],
        on_accepted: Callable[[], None],
    ) -> None:
        """Keep `deadlines`; `observer` looks first whether Temporal has moved one."""
        self._deadlines = deadlines
        self._observer = observer
        self._clock = clock
        self._new_outcome_id = new_outcome_id
        self._on_accepted = on_accepted
        self._trouble = Trouble(logger, "keep deadlines")

    async def run(self) -> None:
        """Keep deadlines until canceled."""
        while True:
            kept = await caught(self.keep())
            self._trouble.note(kept)
            await self._clock.sleep(await self._rest() if kept is None else LONGEST_REST)

    async def keep(self) -> None:
        """Take the default answers that are due now, once.

        Raises:
            RetryableError: The store could not be reached.
        """
        due = await self._deadlines.due_defaults(limit=PAGE)
        if not due:
            return
        await self._look(due)
        taken = await self._deadlines.take_defaults(
            [callback.id for callback in due], self._new_outcome_id
        )
        for callback_id in taken:
            logger.info("default answer taken", extra={"callback_id": callback_id})
        if taken:
            self._on_accepted()

    async def _look(self, due: Sequence[Callback]) -> None:
        # An operator may have given the activity more time, or it may have ended: then it is not
        # due. A Temporal that is away changes nothing: the deadline has passed.
        looked = await caught(self._observer.observe(due))
        if isinstance(looked, Exception) and not isinstance(looked, TemporalUnreachableError):
            raise looked

    async def _rest(self) -> timedelta:
        until_next = await caught(self._deadlines.next_default())
        if until_next is None or isinstance(until_next, Exception):
            return LONGEST_REST
        return min(until_next, LONGEST_REST)
