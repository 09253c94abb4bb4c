"""Polls of senders: request them from workers, and accept what they find.

1. The requester claims a due poll, checks that the activity can be polled, and records the request.
2. It ends the attempt that waits with `POLL`, a retryable failure.
3. The next attempt opens the callback, polls the sender on its worker, and reports the result.

An answer that a poll finds is accepted like any other answer: the first one counts. A gateway may
be killed between any two steps: the claim ends, and another gateway repeats them. The request names
the attempt by its token, so that an attempt is ended once.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from ringback.core.answers import AnswerService
from ringback.core.services import FailureLog, OutageLog, caught, write_each
from ringback.core.verdicts import is_attempt_of_token
from ringback.domain.activity_state import Pending
from ringback.domain.callback import Callback
from ringback.domain.errors import (
    ActivityGoneError,
    AnsweredDifferentlyError,
    ExpiredCallbackError,
    RetryableError,
)
from ringback.domain.ids import CallbackId, to_poll_identity
from ringback.domain.outcome import POLL_TYPE, Completed, Failed
from ringback.domain.polling import (
    PollChange,
    PollingStopped,
    PollProgress,
    PollReport,
    PollStep,
)
from ringback.ports.activities import Activities
from ringback.ports.clock import Clock
from ringback.ports.deadlines import SenderPollStore

logger = logging.getLogger(__name__)

POLL: Final = Failed(
    "it is time to poll the sender: the next attempt does so",
    type=POLL_TYPE,
    next_retry_delay=timedelta(0),
)
"""The failure that ends an attempt that waits. The next one starts after about a second."""

EVERY: Final = timedelta(seconds=1)
PAGE: Final = 100
"""Maximum polls that a gateway requests at a time, `EVERY` second."""

LEASE: Final = timedelta(seconds=15)
"""How long no other gateway requests a claimed poll."""

ROOM: Final = timedelta(seconds=10)
"""The shortest time to the end of the activity at which a poll is requested.

Temporal ends an activity at once if the next attempt would start after its schedule-to-close
timeout.
"""

_CONCURRENCY: Final = 8
"""Maximum requests to Temporal in progress."""


class PollRequester:
    """Requests the polls that are due, by ending the attempts that wait."""

    def __init__(self, store: SenderPollStore, activities: Activities, *, clock: Clock) -> None:
        """Request polls of `store` from the workers of `activities`."""
        self._store = store
        self._activities = activities
        self._clock = clock
        self._outages = OutageLog(logger, "request polls of senders")
        self._failures = FailureLog(logger, "request a poll of the sender")

    async def run(self) -> None:
        """Request polls until canceled."""
        while True:
            self._outages.record(await caught(self.request_due()))
            await self._clock.sleep(EVERY)

    async def request_due(self) -> None:
        """Request the polls that are due, at most `PAGE` of them.

        A poll that cannot be requested does not stop the others.

        Raises:
            RetryableError: The store or Temporal could not be reached.
        """
        due = await self._store.claim_sender_polls(limit=PAGE, lease=LEASE)
        claimed_at = self._clock.monotonic()
        for some in _parts(due):
            found = await asyncio.gather(*(caught(self._find(one)) for one in some))
            steps = [self._to_step(*one) for one in zip(some, found, strict=True)]
            saved = await self._save([step for step in steps if step is not None])
            requested = [
                one
                for one, step in zip(some, steps, strict=True)
                if step in saved and step is not None and _is_request(step)
            ]
            if self._clock.monotonic() - claimed_at >= LEASE:
                # This process was paused, or Temporal is slow: others may have claimed the rest.
                return
            ended = await asyncio.gather(*(caught(self._end_attempt(one)) for one in requested))
            for result in ended:
                self._outages.record(result)
            await self._save([
                PollProgress(one.id, one.attempt_started_at, PollStep.SENT)
                for one, failure in zip(requested, ended, strict=True)
                if failure is None
            ])

    async def _find(self, callback: Callback) -> Pending | None:
        (found,) = await self._activities.poll([callback.ref])
        return found

    def _to_step(
        self, callback: Callback, found: Pending | Exception | None
    ) -> PollProgress | PollingStopped | None:
        """Return what to do about a due poll; `None` leaves it until its claim ends."""
        if isinstance(found, Exception):
            if isinstance(found, RetryableError):
                self._outages.record(found)
            else:
                self._failures.report(callback.id, found)
            return None
        if found is None or found.paused or not is_attempt_of_token(callback, found):
            return PollProgress(callback.id, callback.attempt_started_at, PollStep.POSTPONED)
        reason = find_obstacle(found, self._clock.now())
        if reason is not None:
            return PollingStopped(callback.id, callback.attempt_started_at, reason)
        return PollProgress(callback.id, callback.attempt_started_at, PollStep.REQUESTED)

    async def _end_attempt(self, callback: Callback) -> None:
        encoded = await self._activities.encode(callback, POLL)
        identity = to_poll_identity(callback.id)
        try:
            await self._activities.deliver_to_attempt(callback, encoded, identity=identity)
        except ActivityGoneError:
            # Its answer came meanwhile, or another gateway was faster.
            return
        logger.info("poll of the sender requested", extra={"callback_id": callback.id})

    async def _save(self, changes: Sequence[PollChange]) -> Sequence[PollChange]:
        """Save `changes`; return those that could be saved."""
        failed = await write_each(self._store.save_sender_polls, changes)
        for change, failure in failed:
            self._failures.report(change.callback_id, failure)
        unsaved = [change for change, _ in failed]
        return [change for change in changes if change not in unsaved]


def find_obstacle(found: Pending, now: datetime) -> str | None:
    """Return why the sender of a running activity is polled no more; `None` if it may be."""
    if found.cancel_requested:
        # Temporal would fail the activity instead of starting another attempt.
        return "a cancellation was requested"
    most = found.maximum_attempts
    if most and found.attempt + 1 >= most:
        return f"maximum_attempts is {most}, and the last attempt is not used for a poll"
    if POLL_TYPE in found.non_retryable_types:
        return f"the retry policy lists {POLL_TYPE} in non_retryable_error_types"
    if found.times_out_at is not None and found.times_out_at - now < ROOM:
        return "the activity's schedule-to-close timeout leaves no time for another attempt"
    return None


class PollReports:
    """Accepts what polls of senders find."""

    def __init__(self, store: SenderPollStore, answer_service: AnswerService) -> None:
        """Accept answers with `answer_service`, and record each poll in `store`."""
        self._store = store
        self._answer_service = answer_service

    async def report(
        self,
        callback_id: CallbackId,
        attempt: int,
        *,
        answer: Completed | Failed | None = None,
        error: str | None = None,
    ) -> None:
        """Accept the `answer` that `attempt` found, and record what came of its poll.

        If another answer was accepted before, that one counts. Safe to repeat.

        Raises:
            UnknownCallbackError: The callback does not exist.
            MalformedAnswerError: The answer is too large, or not a result of this activity.
            StoreUnavailableError: It could not be stored; retry.
            TemporalUnreachableError: It cannot be checked now; retry.
        """
        found = "not yet" if error is None else "an error"
        if answer is not None:
            found = await self._accept(callback_id, answer)
        report = PollReport(callback_id, attempt, found, error)
        await self._store.save_sender_polls([report])

    async def _accept(self, callback_id: CallbackId, answer: Completed | Failed) -> str:
        try:
            await self._answer_service.accept(callback_id, answer)
        except (AnsweredDifferentlyError, ExpiredCallbackError):
            return "a late answer"
        return "an answer"


def _is_request(step: PollChange) -> bool:
    return isinstance(step, PollProgress) and step.step is PollStep.REQUESTED


def _parts(due: Sequence[Callback]) -> Iterator[Sequence[Callback]]:
    return (due[start : start + _CONCURRENCY] for start in range(0, len(due), _CONCURRENCY))
