"""Processing: outside work whose end is the end of the activity."""

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
from ringback.completion.protocol import CompletionClient
from ringback.completion.refs import Target
from ringback.core.service import caught
from ringback.domain.completion_errors import ActivityCancelledError, CompletionRefusedError
from ringback.domain.errors import RingbackError
from ringback.ports.clock import Clock

T = TypeVar("T")

logger = logging.getLogger(__name__)

_UNUSED: Final = timedelta(days=1)
_NOTHING_SAID: Final = (
    "the block ended without saying what the activity returns: set `result`, to None if it is"
    " nothing"
)


class Processing:
    """Work that is under way for one activity; see `processing`.

    Attributes:
        cancel_details: What is reported with a cancellation, one value for each detail.
    """

    def __init__(
        self,
        client: CompletionClient,
        target: Target,
        *,
        life: KeepAlive,
        beside: AbstractAsyncContextManager[None],
    ) -> None:
        """Work for `target`, with `life` in the block `beside`."""
        self.cancel_details: tuple[object, ...] = ()
        self._client = client
        self._target = target
        self._life = life
        self._beside = beside
        self._results: list[object] = []

    @property
    def result(self) -> object:
        """What the activity returns; setting it again replaces it.

        Raises:
            LookupError: It has not been set yet.
        """
        if not self._results:
            raise LookupError(_NOTHING_SAID)
        return self._results[0]

    @result.setter
    def result(self, result: object) -> None:
        self._results = [result]

    @property
    def details(self) -> object:
        """What the next heartbeat carries; see `KeepAlive.details`."""
        return self._life.details

    @details.setter
    def details(self, details: object) -> None:
        self._life.details = details

    @property
    def is_paused(self) -> bool:
        """Whether the activity was paused when it last was heard of."""
        return self._life.is_paused

    @property
    def stopped(self) -> Stopped | None:
        """Why the work should stop; `None` while it should not."""
        return self._life.stopped

    async def __aenter__(self) -> Self:
        failure = await caught(self._life.begin())
        if failure is not None:
            if failure is self._life.error:
                await self._tell(failure)
            raise failure
        await self._beside.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        failure = await caught(self._beside.__aexit__(kind, error, trace))
        ended_by = failure if isinstance(failure, Exception) else error
        if ended_by is None and not self._results:
            ended_by = LookupError(_NOTHING_SAID)
        await self._tell(ended_by)
        if ended_by is not None and ended_by is not error:
            raise ended_by

    async def _tell(self, ended_by: BaseException | None) -> None:
        if ended_by is None:
            await self._client.complete(self._target, self.result)
        elif ended_by is self._life.error:
            await self._tell_that_it_stopped()
        elif not _is_a_stop_of_the_program(ended_by):
            untold = await caught(self._tell_what_was_raised(ended_by))
            if untold is not None:
                await _note(ended_by, untold)

    async def _tell_what_was_raised(self, error: BaseException) -> None:
        if isinstance(error, ActivityCancelledError):
            # A heartbeat of the block's own brought it, perhaps of another activity.
            with suppress(CompletionRefusedError):
                await self._client.report_cancellation(self._target, *self.cancel_details)
                return
        failure = error if isinstance(error, Exception) else RuntimeError(CANCELED_FROM_WITHIN)
        await fail_with_what_was_raised(self._client, self._target, failure)

    async def _tell_that_it_stopped(self) -> None:
        match self._life.stopped:
            case Stopped.CANCELED:
                await self._client.report_cancellation(self._target, *self.cancel_details)
            case Stopped.PAUSED:
                # As a worker does with an activity that a pause stopped: the next attempt runs
                # once the pause is over.
                await self._client.fail(self._target, fail_with("ActivityPause", "paused"))
            case Stopped.RESET:
                await self._client.fail(self._target, fail_with("ActivityReset", "reset"))
            case Stopped.GONE | None:
                pass


def _is_a_stop_of_the_program(error: BaseException) -> bool:
    is_from_within = isinstance(error, asyncio.CancelledError) and not is_being_canceled()
    return not isinstance(error, Exception) and not is_from_within


async def _note(error: BaseException, untold: Exception) -> None:
    """Note on `error` that its activity was not told of it, and why; else log it."""
    # What the data converter raises may have a payload in its text.
    why = f": {untold}" if isinstance(untold, RingbackError) else ""
    note = f"the activity was not told of this: {type(untold).__name__}{why}"
    if await caught(_add(note, error)) is not None:
        logger.warning("%s", note)


async def _add(note: str, error: BaseException) -> None:
    error.add_note(note)


def processing(
    client: CompletionClient,
    target: Target,
    *,
    every: timedelta | None = None,
    details: object = None,
    on_pause: OnPause = "go_on",
    clock: Clock | None = None,
) -> Processing:
    """Do the work of `target` in a block, whose end is the activity's.

    It begins `async with processing(…) as work:`. A heartbeat comes first: if nobody waits any
    more, or Temporal cannot be asked, the block does not begin. Then:

    - It ends: the activity is completed with `work.result`, which the block has set. A result that
      Temporal did not take is never turned into a failure; it is still in `work.result`.
    - It raises: the activity fails with that exception, or with what can be told of it, and the
      exception goes on. If nothing was told, a note on the exception says why, or the log. A
      `CancelledError` of something that the block awaited is such an exception, too.
    - The activity is to cancel: the block is canceled, the cancellation is reported with
      `work.cancel_details`, and `ActivityCancelledError` goes on. A block that ends with a result
      all the same completes the activity. If a heartbeat of the block's own raises that error, and
      it leaves the block, the cancellation is reported, too.
    - The activity is reset: the block is canceled, the attempt fails, so that another begins anew,
      and `ActivityResetError` goes on. An activity of a workflow whose retry policy has only one
      attempt gets no other by a reset; a standalone one does, even after a non-retryable failure
      (observed on server 1.32).
    - The activity is gone: the block is canceled, and `ActivityNotFoundError` goes on.
    - The program is stopped, which cancels the block: nothing is told. The activity waits for who
      takes the work up again, or for its heartbeat timeout.

    Only the heartbeats `every` so often learn that the activity is canceled, reset or gone while
    the block runs.

    Args:
        client: Who tells the activity.
        target: The activity, by task token or by ids.
        every: How often a heartbeat is sent; `None` sends only the first.
        details: What each heartbeat carries; see `keeping_alive`.
        on_pause: `"go_on"`: the work goes on, and the activity takes its result during the pause.
            `"stop"`: the block is canceled and the attempt fails, so that another runs after the
            pause.
        clock: What tells the time.

    Returns:
        The block, whose exit raises what is said above; and what Temporal, or the data converter,
        raised where it was to be told the result, or that the work was stopped.
        Before it begins, it raises what `KeepAlive.begin` does.

    Raises:
        ValueError: `every` is nothing or less; give a longer time.
    """
    life = KeepAlive(
        client,
        target,
        every=_UNUSED if every is None else every,
        details=details,
        on_pause=on_pause,
        clock=clock,
    )
    beside = nullcontext() if every is None else kept(life)
    return Processing(client, target, life=life, beside=beside)


async def process(
    client: CompletionClient,
    target: Target,
    work: Callable[[Processing], Awaitable[T]],
    *,
    every: timedelta | None = None,
    details: object = None,
    on_pause: OnPause = "go_on",
    clock: Clock | None = None,
) -> T:
    """Do `work` for `target`, complete it with what that returns, and return it.

    The same as a block of `processing` with the same options, for work that is a function.

    Returns:
        What `work` returned, once Temporal has taken it.

    Raises:
        ActivityCancelledError: The work was canceled, and that was reported; stop.
        ActivityPausedError: The work was canceled, and the attempt has failed, if a pause stops it;
            leave the work to the attempt that runs after the pause.
        ActivityResetError: The work was canceled, and the attempt has failed; leave the work to the
            next attempt.
        ActivityNotFoundError: Nobody waits: the work did not begin or was canceled, or its result
            was not taken; drop the work.
        RetryableError: Temporal could not be asked first, and the work did not begin, or it did not
            take the result in time; try again.
        FinalError: Temporal would refuse each heartbeat, or the result; the message says why.
        ValueError: `every` is nothing or less; give a longer time.
        Exception: What `work` raised, and the activity has failed with it; or what a callable for
            details raised at the first heartbeat, and the work did not begin.
    """
    block = processing(client, target, every=every, details=details, on_pause=on_pause, clock=clock)
    async with block:
        block.result = result = await work(block)
    return result
