"""Processing: work outside a worker whose end ends the activity."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from datetime import timedelta
from types import TracebackType
from typing import Final, Self, TypeVar

from ringback.completion.failures import (
    CANCELED_FROM_WITHIN,
    fail_with,
    fail_with_what_was_raised,
    is_being_canceled,
)
from ringback.completion.heartbeats import KeepAlive, OnPause, Stopped
from ringback.completion.keepalive import kept
from ringback.completion.refs import CompletionClient, Target, freeze
from ringback.core.services import caught
from ringback.domain.completion_errors import ActivityCancelledError, CompletionRefusedError
from ringback.domain.errors import RingbackError
from ringback.ports.clock import Clock

T = TypeVar("T")

logger = logging.getLogger(__name__)

_UNUSED: Final = timedelta(days=1)
_NO_RESULT: Final = (
    "the block ended without a result for the activity: set `result`, to None if there"
    " is nothing to return"
)


class Processing:
    """Work in progress for one activity; see `processing`.

    Attributes:
        cancel_details: Details of a reported cancellation, one value each.
    """

    def __init__(
        self,
        client: CompletionClient,
        target: Target,
        *,
        life: KeepAlive,
        heartbeats: AbstractAsyncContextManager[None],
    ) -> None:
        """Do work for `target`, and send the heartbeats of `life` in the block `heartbeats`."""
        self.cancel_details: tuple[object, ...] = ()
        self._client = client
        self._target = freeze(target)
        self._life = life
        self._heartbeats = heartbeats
        self._results: list[object] = []

    @property
    def result(self) -> object:
        """The activity's result; setting it again replaces it.

        Raises:
            LookupError: It has not been set yet.
        """
        if not self._results:
            raise LookupError(_NO_RESULT)
        return self._results[0]

    @result.setter
    def result(self, result: object) -> None:
        self._results = [result]

    @property
    def details(self) -> object:
        """Details of the next heartbeat; see `KeepAlive.details`."""
        return self._life.details

    @details.setter
    def details(self, details: object) -> None:
        self._life.details = details

    @property
    def is_paused(self) -> bool:
        """Whether the activity was paused at the last reply."""
        return self._life.is_paused

    @property
    def stopped(self) -> Stopped | None:
        """Why the work should stop; `None` while it should continue."""
        return self._life.stopped

    async def __aenter__(self) -> Self:
        try:
            await self._life.begin()
        except RingbackError as exc:
            if exc is self._life.error:
                await self._report(exc)
            raise
        await self._heartbeats.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        failure = await caught(self._heartbeats.__aexit__(kind, error, trace))
        ended_by = failure if isinstance(failure, Exception) else error
        if ended_by is None and not self._results:
            ended_by = LookupError(_NO_RESULT)
        await self._report(ended_by)
        if ended_by is not None and ended_by is not error:
            raise ended_by

    async def _report(self, ended_by: BaseException | None) -> None:
        if ended_by is None:
            await self._client.complete(self._target, self.result)
        elif ended_by is self._life.error:
            await self._report_stop()
        elif not _is_a_stop_of_the_program(ended_by):
            undelivered = await caught(self._report_failure(ended_by))
            if undelivered is not None:
                _note(ended_by, undelivered)

    async def _report_failure(self, error: BaseException) -> None:
        if isinstance(error, ActivityCancelledError):
            # The block's own heartbeat raised it, perhaps for another activity.
            with suppress(CompletionRefusedError):
                await self._client.report_cancellation(self._target, *self.cancel_details)
                return
        failure = error if isinstance(error, Exception) else RuntimeError(CANCELED_FROM_WITHIN)
        await fail_with_what_was_raised(self._client, self._target, failure)

    async def _report_stop(self) -> None:
        match self._life.stopped:
            case Stopped.CANCELED:
                await self._client.report_cancellation(self._target, *self.cancel_details)
            case Stopped.PAUSED:
                # Workers do the same with a paused activity: the next attempt runs after the
                # pause.
                await self._client.fail(self._target, fail_with("ActivityPause", "paused"))
            case Stopped.RESET:
                await self._client.fail(self._target, fail_with("ActivityReset", "reset"))
            case Stopped.GONE | None:
                pass


def _is_a_stop_of_the_program(error: BaseException) -> bool:
    is_from_within = isinstance(error, asyncio.CancelledError) and not is_being_canceled()
    return not isinstance(error, Exception) and not is_from_within


def _note(error: BaseException, undelivered: Exception) -> None:
    """Add a note to `error` that its activity was not notified, and why; or log it."""
    # Errors of the data converter may contain a payload.
    why = f": {undelivered}" if isinstance(undelivered, RingbackError) else ""
    why = f"{type(undelivered).__name__}{why}"
    try:
        error.add_note(f"the activity did not receive this failure: {why}")
    except (AttributeError, TypeError):
        # The exception's class allows no notes.
        logger.warning("the activity did not receive a failure: %s", why)


def processing(
    client: CompletionClient,
    target: Target,
    *,
    every: timedelta | None = None,
    details: object = None,
    on_pause: OnPause = "continue",
    clock: Clock | None = None,
) -> Processing:
    """Do the work of `target` in a block, and end the activity with the block.

    Use it as `async with processing(…) as work:`. It sends a heartbeat first: if the activity no
    longer waits, or Temporal cannot be reached, the block does not start. Then:

    - The block ends: the activity completes with `work.result`, which the block has set. If
      Temporal does not accept the result, it does not become a failure; it is still in
      `work.result`.
    - The block raises: the activity fails with that exception, or with as much of it as can be
      sent, and the exception propagates. If nothing could be sent, a note on the exception or the
      log says why. A `CancelledError` of something that the block awaited is such an exception.
    - The activity is canceled: the block is canceled, the cancellation is reported with
      `work.cancel_details`, and `ActivityCancelledError` is raised. A block that ends with a result
      anyway completes the activity. The cancellation is also reported if the block's own heartbeat
      raises that error and it leaves the block.
    - The activity is reset: the block is canceled, the attempt fails, so that another starts again,
      and `ActivityResetError` is raised. If the retry policy of a workflow's activity allows only
      one attempt, a reset starts no other; a standalone activity gets one, even after a
      non-retryable failure (observed on server 1.32).
    - The activity has ended: the block is canceled, and `ActivityNotFoundError` is raised.
    - The program stops, which cancels the block: nothing is sent. The activity waits until the work
      is resumed, or for its heartbeat timeout.

    While the block runs, only the heartbeats of `every` detect that the activity was canceled,
    reset or ended.

    Args:
        client: The completion client.
        target: The activity, by task token or by ids.
        every: The interval of heartbeats; `None` sends only the first.
        details: Details of each heartbeat; see `keeping_alive`.
        on_pause: `"continue"`: the work continues, and the activity accepts its result during the
            pause. `"stop"`: the block is canceled and the attempt fails, so that another runs after
            the pause.
        clock: The clock of the interval.

    Returns:
        The block. Its exit raises the errors above, and errors of Temporal or the data converter
        when it sends the result or reports the stop. Its start raises what `KeepAlive.begin` does.

    Raises:
        ValueError: `every` is zero or negative.
    """
    life = KeepAlive(
        client,
        target,
        every=_UNUSED if every is None else every,
        details=details,
        on_pause=on_pause,
        clock=clock,
    )
    heartbeats = nullcontext() if every is None else kept(life)
    return Processing(client, target, life=life, heartbeats=heartbeats)


async def process(
    client: CompletionClient,
    target: Target,
    work: Callable[[Processing], Awaitable[T]],
    *,
    every: timedelta | None = None,
    details: object = None,
    on_pause: OnPause = "continue",
    clock: Clock | None = None,
) -> T:
    """Do `work` for `target`, complete it with the return value, and return that.

    Equivalent to a block of `processing` with the same options, for work that is a function.

    Returns:
        The return value of `work`, once Temporal has accepted it.

    Raises:
        ActivityCancelledError: The work was canceled, and that was reported; stop.
        ActivityPausedError: The work was canceled, and the attempt failed, if a pause stops it;
            leave the work to the attempt that runs after the pause.
        ActivityResetError: The work was canceled, and the attempt failed; leave the work to the
            next attempt.
        ActivityNotFoundError: The activity no longer waits: the work did not start or was canceled,
            or its result was not accepted; drop the work.
        RetryableError: Temporal could not be reached before the work, which did not start, or did
            not accept the result in time; retry.
        FinalError: Temporal would reject every heartbeat, or the result; the message says why.
        ValueError: `every` is zero or negative.
        Exception: `work` raised it, and the activity failed with it; or a callable for details
            raised it at the first heartbeat, and the work did not start.
    """
    block = processing(client, target, every=every, details=details, on_pause=on_pause, clock=clock)
    async with block:
        block.result = result = await work(block)
    return result
