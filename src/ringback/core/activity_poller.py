"""Activity poller: read the activities of open callbacks from Temporal, within a request budget."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

from ringback.core.services import FailureLog, OutageLog, caught, write_each
from ringback.core.verdicts import resolve_from
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

EVERY: Final = timedelta(seconds=1)
"""How often the next ones are looked at."""

SHORTEST: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(seconds=5)
"""For how long an open callback is not looked at, where the budget allows it."""

_PATIENCE: Final = timedelta(hours=1)
"""And where it does not: after a look takes its turn, however many wait."""

_RELIEF: Final = 1.1
_MARGIN: Final = timedelta(seconds=1)


class PollSchedule:
    """Spreads the looks: often while a question is young, then as seldom as the budget needs.

    A namespace of Temporal Cloud takes 2,000 requests a second; with 100,000 open callbacks, one
    look at each every minute would be 1,667 of them.
    """

    def __init__(self, per_second: int) -> None:
        """Allow looks at so many runs a second."""
        self.per_tick = max(1, round(per_second * EVERY.total_seconds()))
        self.longest = LONGEST

    def record(self, *, is_behind: bool) -> None:
        """Take note of whether more wait than could be looked at.

        To look at them all takes as long as that has lasted, so no look is due again before.
        """
        if is_behind:
            self.longest = min(_PATIENCE, self.longest + EVERY)
        else:
            self.longest = max(LONGEST, self.longest / _RELIEF)

    def poll_in(
        self, callback: Callback, attempt_timeout_at: datetime | None, now: datetime
    ) -> timedelta:
        """Return when to look again at a callback that was just seen.

        After its age: what happens soon is seen soon, and a look at the first day of a long wait
        tells little. Right after the timeout in any case.
        """
        age = max(SHORTEST, now - callback.opened_at)
        wait = min(age, self.longest)
        if attempt_timeout_at is not None and now <= attempt_timeout_at:
            wait = min(wait, attempt_timeout_at - now + _MARGIN)
        return wait


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


class ActivityChecker:
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

    async def check(self, callbacks: Iterable[Callback]) -> frozenset[CallbackId]:
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
        _, found = await resolve_from(self._activities, callback, end)
        if isinstance(found, Unknown) and not await self._is_overdue(callback):
            return None
        reason = explain_end(found)
        return None if reason is None else to_expiry(callback, reason)

    async def _is_overdue(self, callback: Callback) -> bool:
        """Tell whether it is time to believe a Temporal that knows nothing of the activity."""
        return bool(await self._deadlines.are_overdue([callback.id]))


def to_expiry(callback: Callback, reason: str) -> Expiry:
    """Return that `callback`, as it was seen, expires for `reason`."""
    return Expiry(callback.id, callback.attempt_started_at, reason)


def explain_end(found: ActivityState) -> str | None:
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


LEASE: Final = timedelta(seconds=15)
"""For how long no other gateway looks at what this one has taken."""


class ActivityPoller:
    """Looks at the open callbacks that are due, all of a run at once."""

    def __init__(
        self,
        polls: ActivityPollStore,
        activity_checker: ActivityChecker,
        schedule: PollSchedule,
        *,
        clock: Clock,
    ) -> None:
        """Take what is due from `polls` at the pace of `schedule`; `activity_checker` polls it."""
        self._polls = polls
        self._activity_checker = activity_checker
        self._schedule = schedule
        self._clock = clock
        self._outages = OutageLog(logger, "look at open callbacks")

    async def run(self) -> None:
        """Look until canceled."""
        while True:
            self._outages.record(await caught(self.poll()))
            await self._clock.sleep(EVERY)

    async def poll(self) -> None:
        """Look at what is due, once.

        Raises:
            RetryableError: The store or Temporal could not be reached.
        """
        due = await self._polls.claim_polls(limit=self._schedule.per_tick, lease=LEASE)
        self._schedule.record(is_behind=due.is_full)
        await self._activity_checker.check(due.callbacks)
