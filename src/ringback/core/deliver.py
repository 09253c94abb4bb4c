"""Deliver: bring accepted outcomes to Temporal, and know how each ended."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from ringback.core.group_commit import GroupCommit, acknowledged
from ringback.core.probe import Probe
from ringback.core.service import Crew, Trouble, caught, running, task_group, woken
from ringback.core.verdict import identity_of, judge, may_be_delivered
from ringback.core.watch import Verdicts
from ringback.domain.backoff import backoff
from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.errors import (
    ActivityGoneError,
    FinalError,
    RetryableError,
    TemporalUnreachableError,
)
from ringback.domain.ids import CallbackId
from ringback.ports.activities import Activities
from ringback.ports.clock import Clock
from ringback.ports.store import DeliveryQueue, Postponement, Settlement

logger = logging.getLogger(__name__)

SLOTS: Final = 64
"""How many deliveries run at a time."""

LEASE: Final = timedelta(seconds=15)
"""For how long a claimed outcome is left alone: longer than its requests to Temporal should take.

Should they take longer, two may deliver it: in one name, so that it counts once.
"""

LONGEST_REST: Final = timedelta(seconds=1)
"""How late an outcome is seen that another process accepted."""


class Deliverer:
    """Claims accepted outcomes, brings each to Temporal, and settles it.

    It may be killed at any moment: what it had claimed is claimed again when the lease has passed,
    and the identity in history shows whether it had been applied.
    """

    def __init__(
        self,
        queue: DeliveryQueue,
        activities: Activities,
        verdicts: Verdicts,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        owner: str,
    ) -> None:
        """Deliver from `queue` to `activities` as `owner`; tell `verdicts` of each end."""
        self._queue = queue
        self._activities = activities
        self._verdicts = verdicts
        self._clock = clock
        self._jitter = jitter
        self._owner = owner
        self._woken = asyncio.Event()
        self._trouble = Trouble(logger, "claim")
        self._probe = Probe(jitter)
        self._settling = GroupCommit(acknowledged(self._settle_many))
        self._postponing = GroupCommit(acknowledged(queue.postpone))

    def wake(self) -> None:
        """Look for outcomes now: one was accepted in this process."""
        self._woken.set()

    async def run(self) -> None:
        """Deliver until canceled; then give back what was claimed."""
        try:
            async with running(self._settling, self._postponing), task_group() as group:
                await self._deliver_with(Crew(group, SLOTS))
        finally:
            await caught(self._queue.release(self._owner))

    async def _deliver_with(self, crew: Crew) -> None:
        while True:
            self._woken.clear()
            if not await self._has_started_some(crew):
                await woken(self._woken, self._clock, at_most=await self._rest(crew))

    async def _has_started_some(self, crew: Crew) -> bool:
        limit = self._probe.limit(crew.free, self._clock.now())
        if limit == 0:
            return False
        due = await caught(self._queue.claim(self._owner, limit=limit, lease=LEASE))
        self._trouble.note(due)
        if isinstance(due, Exception):
            return False
        for callback in due:
            task = crew.start(self._deliver(callback), name=f"delivery of {callback.id}")
            task.add_done_callback(lambda _: self.wake())
        return bool(due)

    async def _rest(self, crew: Crew) -> timedelta:
        until_probe = self._probe.rest(self._clock.now())
        if until_probe is not None:
            return min(until_probe, LONGEST_REST)
        if crew.free == 0 or self._trouble.lasts:
            return LONGEST_REST
        until_due = await caught(self._queue.next_due())
        if until_due is None or isinstance(until_due, Exception):
            return LONGEST_REST
        return min(until_due, LONGEST_REST)

    async def _deliver(self, callback: Callback) -> None:
        accepted = callback.accepted
        assert accepted is not None, "only accepted outcomes are due"
        ended = await caught(self._bring(callback, accepted))
        is_away = isinstance(ended, TemporalUnreachableError)
        self._probe.note(is_away=is_away, now=self._clock.now())
        match ended:
            case Settlement():
                await self._settling.submit(ended)
            case FinalError():
                parked = Settlement(callback.id, State.PARKED, {"reason": str(ended)})
                await self._settling.submit(parked)
            case _:
                await self._postpone(callback.id, accepted.tries, _trouble(ended))

    async def _bring(self, callback: Callback, accepted: Accepted) -> Settlement | None:
        claimed_at = self._clock.now()
        # A delivery by id reaches whatever has the id by now: another attempt or, where the
        # workflow chose the id, another activity.
        found = await self._activities.locate(callback.ref)
        if not may_be_delivered(callback, accepted, found):
            return judge(callback, accepted, found)
        if self._clock.now() - claimed_at >= LEASE:
            msg = "this process stood still, and another one may have taken over"
            raise TemporalUnreachableError(msg)
        identity = identity_of(accepted.id)
        try:
            await self._activities.deliver(callback.ref, accepted.outcome, identity=identity)
        except ActivityGoneError:
            return judge(callback, accepted, await self._activities.locate(callback.ref))
        return Settlement(callback.id, State.APPLIED, {"by": identity})

    async def _postpone(self, callback_id: CallbackId, tries: int, reason: str) -> None:
        wait = backoff(tries, jitter=self._jitter())
        facts = {"callback_id": callback_id, "tries": tries, "reason": reason}
        logger.warning("delivery postponed", extra=facts)
        await self._postponing.submit(Postponement(callback_id, wait, reason))

    async def _settle_many(self, settlements: Sequence[Settlement]) -> None:
        await self._queue.settle(settlements)
        for settlement in settlements:
            logger.info(
                "outcome %s",
                settlement.verdict.value,
                extra={"callback_id": settlement.callback_id},
            )
        self._verdicts.announce([settlement.callback_id for settlement in settlements])


def _trouble(ended: Exception | None) -> str:
    if ended is None:
        return "between two attempts, or unknown to this Temporal"
    if isinstance(ended, RetryableError):
        return str(ended)
    # What it says is not ours, and may tell what somebody answered.
    return f"a mistake of the program's: {type(ended).__name__}"
