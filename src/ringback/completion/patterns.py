"""The patterns, as methods of every completion client."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import TypeVar

from ringback.completion.batch import (
    CONCURRENCY,
    Delivery,
    Items,
    OnProgress,
    complete_many,
    completing_many,
)
from ringback.completion.heartbeats import KeepAlive, OnPause
from ringback.completion.keepalive import OnStop, keeping_alive
from ringback.completion.processing import Processing, process, processing
from ringback.completion.refs import CompletionClient, Target

T = TypeVar("T")


class Patterns:
    """Adds the common patterns to a completion client."""

    def keeping_alive(
        self: CompletionClient,
        activity: Target,
        *,
        every: timedelta,
        details: object = None,
        on_stop: OnStop = "cancel",
        on_pause: OnPause = "continue",
    ) -> AbstractAsyncContextManager[KeepAlive]:
        """Keep the activity alive while a block runs.

        A heartbeat is sent at once, then one each `every`, for example a third of the heartbeat
        timeout. See `ringback.completion.keepalive`.
        """
        return keeping_alive(
            self, activity, every=every, details=details, on_stop=on_stop, on_pause=on_pause
        )

    def processing(
        self: CompletionClient,
        activity: Target,
        *,
        every: timedelta | None = None,
        details: object = None,
        on_pause: OnPause = "continue",
    ) -> Processing:
        """Do the work of the activity in a block, and end the activity with the block.

        The activity completes with the `result` that the block sets, fails with the exception that
        the block raises, and its cancellation is reported if the block is canceled because of it.
        See `ringback.completion.processing`.
        """
        return processing(self, activity, every=every, details=details, on_pause=on_pause)

    async def process(
        self: CompletionClient,
        activity: Target,
        work: Callable[[Processing], Awaitable[T]],
        *,
        every: timedelta | None = None,
        details: object = None,
        on_pause: OnPause = "continue",
    ) -> T:
        """Do `work` for the activity, complete it with the return value, and return that.

        Equivalent to a block of `processing`, for work that is a function.
        """
        return await process(self, activity, work, every=every, details=details, on_pause=on_pause)

    async def complete_many(
        self: CompletionClient,
        items: Items,
        *,
        concurrency: int = CONCURRENCY,
        on_progress: OnProgress | None = None,
    ) -> list[Delivery]:
        """Complete many activities, a few at a time; return the outcome of each, in order.

        An item that Temporal did not accept raises nothing. See `ringback.completion.batch`.
        """
        return await complete_many(self, items, concurrency=concurrency, on_progress=on_progress)

    def completing_many(
        self: CompletionClient,
        items: Items,
        *,
        concurrency: int = CONCURRENCY,
        on_progress: OnProgress | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        """Complete many activities without holding all deliveries in memory.

        Iterate over the outcomes in the block, in order. See `ringback.completion.batch`.
        """
        return completing_many(self, items, concurrency=concurrency, on_progress=on_progress)
