"""Observe: what Temporal says of open callbacks now, kept in the store."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from ringback.core.poll_schedule import PollSchedule
from ringback.core.resolve import followed
from ringback.core.service import FailureLog, OutageLog, caught, write_each
from ringback.domain.activity_state import ActivityState, Ended, Pending, Unknown
from ringback.domain.callback import Callback
from ringback.domain.errors import (
    RetryableError,
    TemporalMisconfiguredError,
    TemporalUnreachableError,
)
from ringback.domain.ids import CallbackId
from ringback.domain.liveness import PollResult
from ringback.ports.activities import Activities
from ringback.ports.activity_polls import ActivityPollStore
from ringback.ports.clock import Clock
from ringback.ports.deadlines import Deadlines
from ringback.ports.store import CallbackStore, Expiry

logger = logging.getLogger(__name__)

S = TypeVar("S", Expiry, PollResult)

_MISSES: Final = 3
"""After so many looks without an answer, Temporal is taken to be away for now."""

_BESIDE: Final = 8
"""How many runs are looked at beside each other."""


@dataclass
class _Found:
    """What was seen, to be kept together."""

    seen: set[CallbackId] = field(default_factory=set)
    poll_results: list[PollResult] = field(default_factory=list)
    expiries: list[Expiry] = field(default_factory=list)


class Observer:
    """Closes open callbacks whose activity has ended, and keeps what is known of the others true.

    Temporal tells nobody outside when an activity is asked to cancel, is paused, times out or gets
    other timeouts, or its workflow closes: it is asked, read only, with one request for all the
    activities of a run.
    """

    def __init__(
        self,
        store: CallbackStore,
        activities: Activities,
        *,
        polls: ActivityPollStore,
        deadlines: Deadlines,
        schedule: PollSchedule,
        clock: Clock,
    ) -> None:
        """Ask `activities`, close in `store`, and keep what was seen in `polls`."""
        self._store = store
        self._polls = polls
        self._deadlines = deadlines
        self._activities = activities
        self._schedule = schedule
        self._clock = clock
        self._outages = OutageLog(logger, "look at an activity")
        self._failures = FailureLog(logger, "store what Temporal says of a callback")

    async def observe(self, callbacks: Iterable[Callback]) -> frozenset[CallbackId]:
        """Look at each, and return those that were seen.

        One that cannot be looked at holds up no other.

        Raises:
            StoreUnavailableError: What was seen could not be kept.
        """
        found = _Found()
        misses = 0
        for some in _parts(list(_by_run(callbacks)), _BESIDE):
            looks = await asyncio.gather(*(caught(self._look(run, found)) for run in some))
            for looked in looks:
                self._outages.record(looked)
            misses += sum(map(_is_unanswered, looks))
            if misses >= _MISSES:
                break
        await self._keep(found)
        return frozenset(found.seen)

    async def _look(self, of_one_run: Sequence[Callback], found: "_Found") -> None:
        looks = await self._activities.poll([callback.ref for callback in of_one_run])
        seen = list(zip(of_one_run, looks, strict=True))
        found.poll_results += [self._sighting(one, pending) for one, pending in seen if pending]
        found.seen.update(one.id for one, pending in seen if pending)
        await self._look_for_ends([one for one, pending in seen if pending is None], found)

    def _sighting(self, callback: Callback, pending: Pending) -> PollResult:
        poll_in = self._schedule.poll_in(callback, pending.attempt_timeout_at, self._clock.now())
        return PollResult(callback.id, callback.attempt_started_at, pending, poll_in)

    async def _keep(self, found: "_Found") -> None:
        unkept = {
            *await self._keep_each(self._store.expire, found.expiries),
            *await self._keep_each(self._polls.save_poll_results, found.poll_results),
        }
        found.seen -= unkept

    async def _keep_each(
        self, write: Callable[[Sequence[S]], Awaitable[None]], items: Sequence[S]
    ) -> Sequence[CallbackId]:
        """Write `items`, and return the callbacks of those that cannot be written."""
        failed = await write_each(write, items)
        for item, failure in failed:
            self._failures.report(item.callback_id, failure)
        return [item.callback_id for item, _ in failed]

    async def _look_for_ends(self, gone: Sequence[Callback], found: "_Found") -> None:
        """Learn how each ended; one that cannot be judged stops no other.

        Raises:
            RetryableError: Temporal or the store cannot be reached; the rest was not looked at.
        """
        ends = await self._activities.resolve_all([callback.ref for callback in gone])
        for callback, end in zip(gone, ends, strict=True):
            expiry = await caught(self._expiry(callback, end))
            if isinstance(expiry, RetryableError):
                raise expiry
            if isinstance(expiry, Exception):
                self._failures.report(callback.id, expiry)
                continue
            found.seen.add(callback.id)
            found.expiries += [] if expiry is None else [expiry]

    async def _expiry(self, callback: Callback, end: ActivityState) -> Expiry | None:
        _, found = await followed(self._activities, callback, end)
        if isinstance(found, Unknown) and not await self._is_overdue(callback):
            return None
        reason = reason_of(found)
        return None if reason is None else expiry_of(callback, reason)

    async def _is_overdue(self, callback: Callback) -> bool:
        """Tell whether it is time to believe a Temporal that knows nothing of the activity."""
        return bool(await self._deadlines.are_overdue([callback.id]))


def expiry_of(callback: Callback, reason: str) -> Expiry:
    """Return that `callback`, as it was seen, expires for `reason`."""
    return Expiry(callback.id, callback.attempt_started_at, reason)


def reason_of(found: ActivityState) -> str | None:
    """Return in a sentence why an activity takes no answer; `None` if it still does."""
    match found:
        case Pending():
            return None
        case Ended(how, at):
            return f"the activity's end came first ({how} at {at.isoformat(timespec='seconds')})"
        case Unknown(why):
            return f"Temporal does not know the activity ({why})"


def _is_unanswered(looked: object) -> bool:
    # A wrong server answers, and what it says holds for one namespace.
    is_answered = isinstance(looked, TemporalMisconfiguredError)
    return isinstance(looked, TemporalUnreachableError) and not is_answered


def _by_run(callbacks: Iterable[Callback]) -> Iterable[Sequence[Callback]]:
    runs: dict[tuple[str, str, str], list[Callback]] = {}
    for callback in callbacks:
        runs.setdefault(callback.ref.run, []).append(callback)
    return runs.values()


def _parts(runs: Sequence[Sequence[Callback]], size: int) -> Iterable[Sequence[Sequence[Callback]]]:
    return (runs[start : start + size] for start in range(0, len(runs), size))
