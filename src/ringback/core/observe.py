"""Observe: what Temporal says of open callbacks now, kept in the store."""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from ringback.core.locate import locate
from ringback.core.service import Trouble, caught
from ringback.domain.callback import Callback
from ringback.domain.ids import CallbackId
from ringback.ports.activities import Activities, Ended, Pending, Unknown, Whereabouts
from ringback.ports.deadlines import Deadlines
from ringback.ports.store import CallbackStore, Expiry

logger = logging.getLogger(__name__)

_MISSES: Final = 3
"""After so many runs that cannot be looked at, Temporal is taken to be away for now."""


class Observer:
    """Closes open callbacks whose activity has ended, and keeps the time-outs of the others true.

    Temporal tells nobody outside when an activity times out, is paused or gets other time-outs, or
    its workflow closes: it is asked, read only, with one request for all activities of a run.
    """

    def __init__(self, store: CallbackStore, deadlines: Deadlines, activities: Activities) -> None:
        """Ask `activities`, close in `store`, and keep time-outs in `deadlines`."""
        self._store = store
        self._deadlines = deadlines
        self._activities = activities
        self._trouble = Trouble(logger, "look at an activity")

    async def observe(self, callbacks: Iterable[Callback]) -> frozenset[CallbackId]:
        """Look at each, and return those that were seen.

        One that cannot be looked at holds up no other.

        Raises:
            StoreUnavailableError: What was seen could not be kept.
        """
        seen: set[CallbackId] = set()
        timeouts: dict[CallbackId, datetime | None] = {}
        expiries: list[Expiry] = []
        misses = 0
        for of_one_run in _by_run(callbacks):
            looked = await caught(self._look(of_one_run, expiries, timeouts))
            self._trouble.note(looked)
            if not isinstance(looked, Exception):
                seen.update(callback.id for callback in of_one_run)
            elif (misses := misses + 1) == _MISSES:
                break
        await self._keep(expiries, timeouts)
        return frozenset(seen)

    async def _look(
        self,
        of_one_run: Sequence[Callback],
        expiries: list[Expiry],
        timeouts: dict[CallbackId, datetime | None],
    ) -> None:
        looks = await self._activities.look([callback.ref for callback in of_one_run])
        for callback, pending in zip(of_one_run, looks, strict=True):
            if pending is None:
                expiries += await self._expiries(callback)
            elif pending.timeout_at != callback.timeout_at:
                timeouts[callback.id] = pending.timeout_at

    async def _keep(
        self, expiries: Sequence[Expiry], timeouts: dict[CallbackId, datetime | None]
    ) -> None:
        if expiries:
            await self._store.expire(expiries)
        if timeouts:
            await self._deadlines.observe(timeouts)

    async def _expiries(self, callback: Callback) -> Sequence[Expiry]:
        _, found = await locate(self._activities, callback)
        if isinstance(found, Unknown) and not await self._is_overdue(callback):
            return []
        reason = reason_of(found)
        return [] if reason is None else [expiry_of(callback, reason)]

    async def _is_overdue(self, callback: Callback) -> bool:
        """Tell whether it is time to believe a Temporal that knows nothing of the activity."""
        return bool(await self._deadlines.are_overdue([callback.id]))


def expiry_of(callback: Callback, reason: str) -> Expiry:
    """Return that `callback`, as it was seen, expires for `reason`."""
    return Expiry(callback.id, callback.attempt_started_at, reason)


def reason_of(found: Whereabouts) -> str | None:
    """Return in a sentence why an activity takes no answer; `None` if it still does."""
    match found:
        case Pending():
            return None
        case Ended(how, at):
            return f"the activity's end came first ({how} at {at.isoformat(timespec='seconds')})"
        case Unknown(why):
            return f"Temporal does not know the activity ({why})"


def _by_run(callbacks: Iterable[Callback]) -> Iterable[Sequence[Callback]]:
    runs: dict[tuple[str, str, str], list[Callback]] = {}
    for callback in callbacks:
        runs.setdefault(callback.ref.run, []).append(callback)
    return runs.values()
