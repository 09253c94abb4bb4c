"""Keeping alive: heartbeats with live details while a block runs."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Literal, TypeAlias

from ringback.completion.heartbeats import KeepAlive, OnPause, StopError
from ringback.completion.refs import CompletionClient, Target
from ringback.core.services import task_group
from ringback.ports.clock import Clock

logger = logging.getLogger(__name__)

OnStop: TypeAlias = Literal["cancel", "continue"]


@asynccontextmanager
async def keeping_alive(
    client: CompletionClient,
    target: Target,
    *,
    every: timedelta,
    details: object = None,
    on_stop: OnStop = "cancel",
    on_pause: OnPause = "continue",
    clock: Clock | None = None,
) -> AsyncIterator[KeepAlive]:
    """Send heartbeats for `target` while the block runs: one at once, then one each `every`.

    It does not end the activity: do that after the block. No heartbeat is in flight then, unless
    the block raised. A failed heartbeat is retried within `every`, for as long as the block runs.

    Args:
        client: The client that sends the heartbeats.
        target: The activity, by task token or by ids.
        every: The interval; a third of the heartbeat timeout allows two failures.
        details: The details of each heartbeat: a value, or a callable that returns it each time.
            The block may replace them. `None` sends none and preserves the recorded ones. If the
            data converter cannot encode them, that is logged and the heartbeat has no details.
        on_stop: What happens when the work should stop. `"cancel"` cancels the block and raises the
            error below after it. With `"continue"` that is logged and the block runs on: it checks
            `stopped`, or awaits `until_stopped`. If it did neither, the error is raised after it.
        on_pause: With `"continue"`, heartbeats continue during a pause, and the activity still
            accepts its answer; `is_paused` shows the pause. With `"stop"`, a pause stops the work.
        clock: The clock of the interval.

    Yields:
        The state of the heartbeats, which also accepts new details.

    Raises:
        ActivityCancelledError: The block was canceled, since the activity was; report the
            cancellation.
        ActivityPausedError: The block was canceled, since the activity was paused; fail the
            attempt, so that another runs after the pause.
        ActivityResetError: The block was canceled, since the activity was reset; fail the attempt,
            so that another starts again.
        ActivityNotFoundError: The block was canceled, since the activity no longer waits; drop the
            work.
        FinalError: Temporal would reject every heartbeat, for example because its details are too
            large; the block was canceled. Exceptions of a callable for details do the same.
        ValueError: `every` is zero or negative.
    """
    life = KeepAlive(client, target, every=every, details=details, on_pause=on_pause, clock=clock)
    async with kept(life, on_stop=on_stop):
        yield life


@asynccontextmanager
async def kept(life: KeepAlive, *, on_stop: OnStop = "cancel") -> AsyncIterator[None]:
    """Run `life` concurrently with the block; see `keeping_alive`."""
    with _canceled_by(life, on_stop):
        async with task_group() as group:
            group.create_task(life.run(), name="keep an activity alive")
            try:
                yield
            finally:
                life.end()


@contextmanager
def _canceled_by(life: KeepAlive, on_stop: OnStop) -> Iterator[None]:
    block = asyncio.current_task()
    assert block is not None, "a coroutine runs in a task"
    before = block.cancelling()
    life.when_stopped((lambda _: block.cancel()) if on_stop == "cancel" else _log)
    try:
        yield
        if on_stop == "continue" and not life.was_read and life.error is not None:
            raise life.error
    except asyncio.CancelledError:
        # Another cancellation of the task must not be swallowed.
        if life.error is None or on_stop == "continue" or block.cancelling() > before + 1:
            raise
        raise life.error from None
    finally:
        if life.error is not None and on_stop == "cancel":
            block.uncancel()


def _log(error: StopError) -> None:
    logger.warning("work continues, though it should stop: %s", error)
