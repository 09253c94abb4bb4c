"""Keeping alive: heartbeats beside the work, with live details, until it ends or should stop."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Literal, TypeAlias

from ringback.completion.heartbeats import KeepAlive, OnPause
from ringback.completion.protocol import CompletionClient
from ringback.completion.refs import Target
from ringback.core.service import task_group
from ringback.ports.clock import Clock

OnStop: TypeAlias = Literal["cancel", "tell"]


@asynccontextmanager
async def keeping_alive(
    client: CompletionClient,
    target: Target,
    *,
    every: timedelta,
    details: object = None,
    on_stop: OnStop = "cancel",
    on_pause: OnPause = "go_on",
    clock: Clock | None = None,
) -> AsyncIterator[KeepAlive]:
    """Keep `target` alive while the block runs: a heartbeat at once, then one each `every`.

    It tells the activity nothing else: end it yourself, after the block. By then no heartbeat is
    under way, unless the block raised. What did not get through is tried again within `every`,
    for as long as the block runs.

    Args:
        client: Who sends the heartbeats.
        target: The activity, by task token or by ids.
        every: How often; a third of the heartbeat timeout leaves room for two that fail.
        details: What each heartbeat carries: a value, or a callable that is asked each time. It
            can be exchanged in the block; the last one wins. `None` sends none, and leaves those
            that were recorded before. Where the data converter cannot encode them, that is logged,
            and the heartbeat goes without them.
        on_stop: What happens when the work should stop. `"cancel"` cancels the block, and raises
            the error below after it. `"tell"` leaves the block alone: it looks at `stopped`, or
            awaits `until_stopped`.
        on_pause: `"go_on"`: a pause is shown by `is_paused`, and heartbeats go on; the activity
            still takes its answer. `"stop"`: it stops the work.
        clock: What tells the time.

    Yields:
        What shows how it stands, and takes new details.

    Raises:
        ActivityCancelledError: The block was canceled, since the activity is to cancel; report the
            cancellation.
        ActivityPausedError: The block was canceled, since the activity was paused; fail the
            attempt, so that another runs after the pause.
        ActivityResetError: The block was canceled, since the activity was reset; fail the attempt,
            so that another begins anew.
        ActivityNotFoundError: The block was canceled, since nobody waits any more; drop the work.
        FinalError: Temporal would refuse each heartbeat, for instance over too large details; the
            block was canceled. So does what a callable for details raises.
        ValueError: `every` is nothing or less.
    """
    life = KeepAlive(client, target, every=every, details=details, on_pause=on_pause, clock=clock)
    async with kept(life, on_stop=on_stop):
        yield life


@asynccontextmanager
async def kept(life: KeepAlive, *, on_stop: OnStop = "cancel") -> AsyncIterator[None]:
    """Run `life` beside the block; see `keeping_alive`."""
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
    if on_stop == "cancel":
        life.when_stopped(block.cancel)
    try:
        yield
    except asyncio.CancelledError:
        # Who else canceled the task meanwhile must not be silenced.
        if life.error is None or on_stop == "tell" or block.cancelling() > before + 1:
            raise
        raise life.error from None
    finally:
        if life.error is not None and on_stop == "cancel":
            block.uncancel()
