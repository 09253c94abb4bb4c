"""Activity poller: read the activities of open callbacks from Temporal, within a request budget."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

from ringback.core.hooks import FAILED, NO_HOOKS, POLLED, Hooks
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
"""The interval of polls."""

SHORTEST: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(seconds=5)
"""The longest time between two polls of an open callback, if the budget allows it."""

_PATIENCE: Final = timedelta(hours=1)
"""The longest time between two polls of a callback if more are due than the budget allows."""

_RELIEF: Final = 1.1
_MARGIN: Final = timedelta(seconds=1)


class PollSchedule:
    """Spreads the polls: frequent for young callbacks, then as seldom as the budget requires.

    A namespace of Temporal Cloud allows 2,000 requests per second. With 100,000 open callbacks, one
    poll of each per minute would need 1,667 of them.
    """

    def __init__(self, per_second: int) -> None:
        """Allow polls of `per_second` runs."""
        self.per_tick = max(1, round(per_second * EVERY.total_seconds()))
        self.longest = LONGEST

    def record(self, *, is_behind: bool) -> None:
        """Record whether more callbacks were due than could be polled.

        While that lasts, the longest time between two polls grows, since polling all of them takes
        at least as long.
        """
        if is_behind:
            self.longest = min(_PATIENCE, self.longest + EVERY)
        else:
            self.longest = max(LONGEST, self.longest / _RELIEF)

    def poll_in(
        self, callback: Callback, attempt_timeout_at: datetime | None, now: datetime
    ) -> timedelta:
        """Return the time until the next poll of a callback that was just polled.

        It is the callback's age, so that early events are noticed early and long waits cost little.
        A poll always follows right after the timeout.
        """
        age = max(SHORTEST, now - callback.opened_at)
        wait = min(age, self.longest)
        if attempt_timeout_at is not None and now <= attempt_timeout_at:
            wait = min(wait, attempt_timeout_at - now + _MARGIN)
        return wait


logger = logging.getLogger(__name__)

S = TypeVar("S", Expiry, PollResult)

_MISSES: Final = 3
"""After this many polls without a reply, the rest of a round is skipped."""

_CONCURRENCY: Final = 8
"""Maximum runs that are polled concurrently."""


@dataclass
class _Found:
    """The results of one round, stored together."""

    seen: set[CallbackId] = field(default_factory=set)
    poll_results: list[PollResult] = field(default_factory=list)
    expiries: list[Expiry] = field(default_factory=list)


class ActivityChecker:
    """Updates open callbacks from Temporal, and closes those whose activity has ended.

    Temporal does not notify anyone of cancel requests, pauses, timeouts, changed timeouts or closed
    workflows. So the gateway polls, with one read-only request per run.
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
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        """Poll `activities`, close callbacks in `store`, and store results in `polls`."""
        self._hooks = hooks
        self._store = store
        self._polls = polls
        self._deadlines = deadlines
        self._activities = activities
        self._schedule = schedule
        self._clock = clock
        self._outages = OutageLog(logger, "poll an activity")
        self._failures = FailureLog(logger, "store the polled state of a callback")

    async def check(self, callbacks: Iterable[Callback]) -> frozenset[CallbackId]:
        """Poll the activities of `callbacks`, and return those whose results were stored.

        An activity that cannot be polled does not block the others.

        Raises:
            StoreUnavailableError: The results could not be stored.
        """
        found = _Found()
        misses = 0
        for some in _parts(list(_by_run(callbacks)), _CONCURRENCY):
            results = await asyncio.gather(*(caught(self._poll_run(run, found)) for run in some))
            for result in results:
                self._outages.record(result)
                self._hooks.poll_ended(FAILED if isinstance(result, Exception) else POLLED)
            misses += sum(map(_is_unanswered, results))
            if misses >= _MISSES:
                break
        await self._store_found(found)
        return frozenset(found.seen)

    async def _poll_run(self, of_one_run: Sequence[Callback], found: "_Found") -> None:
        states = await self._activities.poll([callback.ref for callback in of_one_run])
        seen = list(zip(of_one_run, states, strict=True))
        found.poll_results += [
            self._to_poll_result(one, pending) for one, pending in seen if pending
        ]
        found.seen.update(one.id for one, pending in seen if pending)
        await self._find_ends([one for one, pending in seen if pending is None], found)

    def _to_poll_result(self, callback: Callback, pending: Pending) -> PollResult:
        poll_in = self._schedule.poll_in(callback, pending.attempt_timeout_at, self._clock.now())
        return PollResult(callback.id, callback.attempt_started_at, pending, poll_in)

    async def _store_found(self, found: "_Found") -> None:
        failed = {
            *await self._store_each(self._store.expire, found.expiries),
            *await self._store_each(self._polls.save_poll_results, found.poll_results),
        }
        found.seen -= failed

    async def _store_each(
        self, write: Callable[[Sequence[S]], Awaitable[None]], items: Sequence[S]
    ) -> Sequence[CallbackId]:
        """Write `items`; return the callbacks of those that cannot be written."""
        failed = await write_each(write, items)
        for item, failure in failed:
            self._failures.report(item.callback_id, failure)
        return [item.callback_id for item, _ in failed]

    async def _find_ends(self, gone: Sequence[Callback], found: "_Found") -> None:
        """Resolve each activity; one that cannot be resolved does not stop the others.

        Raises:
            RetryableError: Temporal or the store cannot be reached.
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
        """Return whether to believe a server that does not know the activity."""
        return bool(await self._deadlines.are_overdue([callback.id]))


def to_expiry(callback: Callback, reason: str) -> Expiry:
    """Return the expiry of `callback`, as it was read, for `reason`."""
    return Expiry(callback.id, callback.attempt_started_at, reason)


def explain_end(found: ActivityState) -> str | None:
    """Return why an activity accepts no answer, in a sentence; `None` if it still does."""
    match found:
        case Pending():
            return None
        case Ended(how, at):
            return f"the activity already ended ({how} at {at.isoformat(timespec='seconds')})"
        case Unknown(why):
            return f"Temporal does not know the activity ({why})"


def _is_unanswered(result: object) -> bool:
    # A wrong server replies, and its reply concerns one namespace only.
    is_answered = isinstance(result, TemporalMisconfiguredError)
    return isinstance(result, TemporalUnreachableError) and not is_answered


def _by_run(callbacks: Iterable[Callback]) -> Iterable[Sequence[Callback]]:
    runs: dict[tuple[str, str, str], list[Callback]] = {}
    for callback in callbacks:
        runs.setdefault(callback.ref.run, []).append(callback)
    return runs.values()


def _parts(runs: Sequence[Sequence[Callback]], size: int) -> Iterable[Sequence[Sequence[Callback]]]:
    return (runs[start : start + size] for start in range(0, len(runs), size))


LEASE: Final = timedelta(seconds=15)
"""How long no other gateway polls a claimed callback, if the one that claimed it stops."""


class ActivityPoller:
    """Polls the open callbacks that are due, all of a run together."""

    def __init__(
        self,
        polls: ActivityPollStore,
        activity_checker: ActivityChecker,
        schedule: PollSchedule,
        *,
        clock: Clock,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        """Claim from `polls` at the pace of `schedule`, and poll with `activity_checker`."""
        self._polls = polls
        self._hooks = hooks
        self._activity_checker = activity_checker
        self._schedule = schedule
        self._clock = clock
        self._outages = OutageLog(logger, "poll open callbacks")

    async def run(self) -> None:
        """Poll until canceled."""
        while True:
            self._outages.record(await caught(self.poll()))
            await self._clock.sleep(EVERY)

    async def poll(self) -> None:
        """Poll what is due, once.

        Raises:
            RetryableError: The store or Temporal could not be reached.
        """
        due = await self._polls.claim_polls(limit=self._schedule.per_tick, lease=LEASE)
        self._schedule.record(is_behind=due.is_full)
        if not due.callbacks:
            return
        facts = {"ringback.callbacks": len(due.callbacks)}
        with self._hooks.tracer.span("poll activities", facts=facts) as span:
            polled = await self._activity_checker.check(due.callbacks)
            missed = [one.id for one in due.callbacks if one.id not in polled]
            if missed:
                await self._polls.release_polls(missed, self._schedule.longest)
            span.note({"ringback.polled": len(polled)})
