"""The heartbeats of one activity: their details and Temporal's replies."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import Final, Literal, TypeAlias

from ringback.completion.refs import CompletionClient, Target, freeze
from ringback.core.services import OutageLog, SystemClock, caught, jitter, wait_for_event
from ringback.domain.completion_errors import (
    ActivityCancelledError,
    ActivityNotFoundError,
    ActivityPausedError,
    ActivityResetError,
)
from ringback.domain.durations import backoff, check_duration
from ringback.domain.errors import EncodingError, RetryableError, RingbackError
from ringback.ports.clock import Clock

logger = logging.getLogger(__name__)

_SHORTEST: Final = timedelta(seconds=1)
_LONGEST: Final = timedelta(seconds=10)

OnPause: TypeAlias = Literal["continue", "stop"]
StopError: TypeAlias = (
    ActivityCancelledError | ActivityPausedError | ActivityResetError | ActivityNotFoundError
)


class Stopped(StrEnum):
    """Why the work should stop."""

    CANCELED = "canceled"
    """The workflow asked the activity to cancel."""
    PAUSED = "paused"
    """An operator paused the activity, and `on_pause="stop"`."""
    RESET = "reset"
    """An operator reset the activity: its work must start again."""
    GONE = "gone"
    """The activity or its workflow has ended, or another attempt replaced this one."""


_REASONS: Final[dict[type[StopError], Stopped]] = {
    ActivityCancelledError: Stopped.CANCELED,
    ActivityPausedError: Stopped.PAUSED,
    ActivityResetError: Stopped.RESET,
    ActivityNotFoundError: Stopped.GONE,
}


class KeepAlive:
    """The heartbeats of one activity: accepts their details, and shows Temporal's replies.

    Attributes:
        details: The details of the next heartbeat: a value, or a callable that returns it each
            time. `None` sends none, which preserves the recorded ones.
        is_paused: Whether the activity was paused at the last reply.
        was_read: Whether `stopped` or `error` was read, or `until_stopped` was awaited.
    """

    def __init__(
        self,
        client: CompletionClient,
        target: Target,
        *,
        every: timedelta,
        details: object = None,
        on_pause: OnPause = "continue",
        clock: Clock | None = None,
        chance: Callable[[], float] = jitter,
    ) -> None:
        """Create the heartbeats of `target`; see `keeping_alive`.

        Raises:
            TypeError: `every` is not a `timedelta`.
            ValueError: `every` is zero, negative, or longer than ten years.
        """
        check_duration("every", every)
        self.details = details
        self.is_paused = False
        self.was_read = False
        self._client = client
        self._target = freeze(target)
        self._every = every
        # A hanging one must neither block the next one nor be given up too early.
        self._patience = min(max(every, _SHORTEST), _LONGEST)
        self._stops_on_pause = on_pause == "stop"
        self._clock = clock or SystemClock()
        self._chance = chance
        self._next = timedelta(0)
        self._tries = 0
        self._error: StopError | None = None
        self._over = asyncio.Event()
        self._has_stopped = asyncio.Event()
        self._hook: Callable[[StopError], object] | None = None
        self._outages = OutageLog(logger, "keep an activity alive")
        self._encoding_outages = OutageLog(logger, "encode the details of a heartbeat")

    @property
    def stopped(self) -> Stopped | None:
        """Why the work should stop; `None` while it should continue."""
        self.was_read = True
        return None if self._error is None else _REASONS[type(self._error)]

    @property
    def error(self) -> StopError | None:
        """The error of the last heartbeat, once the work should stop."""
        self.was_read = True
        return self._error

    @property
    def is_failing(self) -> bool:
        """Whether the last heartbeat failed; it is retried."""
        return self._tries > 0

    async def until_stopped(self) -> Stopped:
        """Wait until the work should stop, and return why."""
        self.was_read = True
        await self._has_stopped.wait()
        assert self._error is not None, "set before the event"
        return _REASONS[type(self._error)]

    async def begin(self) -> None:
        """Send the first heartbeat now; `run` sends the next one after `every`.

        Raises:
            ActivityCancelledError: Do not start the work; report the cancellation.
            ActivityPausedError: Do not start the work, if a pause stops it.
            ActivityResetError: Do not start the work; fail the attempt.
            ActivityNotFoundError: The activity no longer waits; drop the work.
            RetryableError: Temporal cannot be reached; retry later.
            FinalError: Temporal would reject every heartbeat; correct the target or the details.
            Exception: A callable for the details raised it; correct it.
        """
        try:
            await self._heartbeat()
            self._judge(None)
        except tuple(_REASONS) as exc:
            self._judge(exc)
        if self._error is not None:
            raise self._error

    async def run(self) -> None:
        """Send heartbeats until `end`, or until the work should stop.

        Raises:
            FinalError: Temporal would reject every heartbeat; correct the target or the details.
            Exception: A callable for the details raised it; correct it.
        """
        while True:
            await wait_for_event(self._over, self._clock, at_most=self._next)
            if self._over.is_set():
                return
            failure = await caught(self._heartbeat())
            if not self._over.is_set():
                self._judge(failure)

    def hasten(self) -> None:
        """Let the next `run` begin with a heartbeat, after a `run` that was canceled."""
        self._next = timedelta(0)

    def end(self) -> None:
        """Stop sending: the work has ended, and replies to heartbeats in flight are ignored."""
        self._over.set()

    def when_stopped(self, call: Callable[[StopError], object]) -> None:
        """Call `call` with the error of the last heartbeat when the work should stop."""
        self._hook = call

    async def _heartbeat(self) -> None:
        details = self._current_details()
        failure = await caught(
            self._client.heartbeat(self._target, *details, rpc_timeout=self._patience)
        )
        is_of_the_call = isinstance(failure, RingbackError) and not isinstance(
            failure, EncodingError
        )
        if failure is not None and details and not is_of_the_call:
            # The data converter raised (its key service may be down) or did not return. The
            # activity must survive that. Only the error's type is logged: its text may contain a
            # payload.
            self._encoding_outages.record(RuntimeError(type(failure).__name__))
            await self._client.heartbeat(self._target, rpc_timeout=self._patience)
            return
        self._encoding_outages.record(None)
        if failure is not None:
            raise failure

    def _current_details(self) -> tuple[object, ...]:
        details = self.details() if callable(self.details) else self.details
        return () if details is None else (details,)

    def _judge(self, failure: Exception | None) -> None:
        self.is_paused = isinstance(failure, ActivityPausedError)
        if self.is_paused and not self._stops_on_pause:
            failure = None
        match failure:
            case None:
                self._tries, self._next = 0, self._every
            case (
                ActivityCancelledError()
                | ActivityPausedError()
                | ActivityResetError()
                | ActivityNotFoundError()
            ):
                self._stop(failure)
            case RetryableError():
                self._tries += 1
                self._next = self._soon(failure)
            case _:
                raise failure
        self._outages.record(failure if self._tries else None)

    def _soon(self, failure: RetryableError) -> timedelta:
        least = failure.retry_after or timedelta(0)
        return min(self._every, max(least, backoff(self._tries, jitter=self._chance())))

    def _stop(self, error: StopError) -> None:
        self._error = error
        self._over.set()
        self._has_stopped.set()
        if self._hook is not None:
            self._hook(error)
