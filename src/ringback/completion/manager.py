"""The manager: starts, completes and cancels long work from different places of a program."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Final, Self, TypeAlias

from ringback.completion.heartbeats import KeepAlive, OnPause, StopError, Stopped
from ringback.completion.refs import CompletionClient, Target, freeze
from ringback.core.services import call_caught, caught, task_group
from ringback.domain.completion_errors import (
    ActivityNotFoundError,
    ActivityResetError,
    CompletionUnprovenError,
)
from ringback.ports.clock import Clock

logger = logging.getLogger(__name__)

_EVERY: Final = timedelta(seconds=30)

OnStopped: TypeAlias = Callable[[str, Stopped], object]


@dataclass(frozen=True)
class _Work:
    target: Target = field(repr=False)
    life: KeepAlive
    heartbeats: asyncio.Task[None]


class ActivityManager:
    """Sends heartbeats for many activities, each under a name, until each is ended.

    `start` an activity in one place of a program, and `complete`, `fail` or `cancel` it in another.
    If the work fits in one block or function, `AsyncCompletionClient.processing` needs no name.

    Names are in memory only. After a restart of the program, start each activity again. The end of
    the manager's block sends nothing: an activity that has not ended waits for its heartbeat
    timeout.

    Example:
        >>> async with ActivityManager(await AsyncCompletionClient.connect()) as manager:
        ...     manager.start("video-7", task_token, details={"status": "processing"})
        ...     await manager.complete("video-7", {"frames": 100})
    """

    def __init__(
        self,
        client: CompletionClient,
        *,
        every: timedelta = _EVERY,
        on_stop: OnStopped | None = None,
        on_pause: OnPause = "continue",
        clock: Clock | None = None,
    ) -> None:
        """Send heartbeats through `client`.

        Args:
            client: The completion client.
            every: The interval of heartbeats; a third of the heartbeat timeout allows two failures.
            on_stop: Called with the name and the reason when work should stop; its exceptions are
                logged. Without it, the request is logged.
            on_pause: With `"stop"`, a pause stops the work, too.
            clock: The clock of the interval.
        """
        self._client = client
        self._every = every
        self._on_stop = on_stop
        self._on_pause = on_pause
        self._clock = clock
        self._works: dict[str, _Work] = {}
        self._group: asyncio.TaskGroup | None = None
        self._stack = AsyncExitStack()

    def __contains__(self, name: str) -> bool:
        """Return whether an activity with this name was started and has not ended."""
        return name in self._works

    def __getitem__(self, name: str) -> KeepAlive:
        """Return the heartbeats of an activity, which accept new details.

        Raises:
            ActivityNotFoundError: No activity has this name.
        """
        return self._find(name).life

    def start(self, name: str, activity: Target, *, details: object = None) -> KeepAlive:
        """Start heartbeats for an activity: one at once, then one each interval.

        Starting the same name again replaces the activity: the next attempt has another token.

        Args:
            name: Any name that is unique in this manager, such as the activity's id.
            activity: The task token, or the ids.
            details: The details of each heartbeat; see `keeping_alive`.

        Returns:
            The heartbeats, which accept new details and show whether the work should stop.

        Raises:
            RuntimeError: The manager's block has not started, or has ended.
        """
        life = KeepAlive(
            self._client,
            activity,
            every=self._every,
            details=details,
            on_pause=self._on_pause,
            clock=self._clock,
        )
        life.when_stopped(partial(self._note_stop, name, life))
        replaced = self._works.get(name)
        self._keep_alive(name, freeze(activity), life)
        if replaced is not None:
            replaced.heartbeats.cancel()
        return life

    async def complete(self, name: str, result: object) -> None:
        """End the heartbeats, and complete the activity.

        If the activity still waits after an error, its heartbeats continue, and the call may be
        repeated.

        Raises:
            ActivityNotFoundError: No activity has this name, or it no longer waits.
            RingbackError: An error of `AsyncCompletionClient.complete`.
        """
        await self._end(name, lambda target: self._client.complete(target, result))

    async def fail(self, name: str, error: BaseException) -> None:
        """End the heartbeats, and fail the attempt; errors are as those of `complete`."""
        await self._end(name, lambda target: self._client.fail(target, error))

    async def cancel(self, name: str, *details: object) -> None:
        """End the heartbeats, and report that the work was canceled.

        Errors are as those of `complete`.

        Raises:
            CompletionRefusedError: The activity was not asked to cancel; fail it instead.
        """
        await self._end(name, lambda target: self._client.report_cancellation(target, *details))

    async def __aenter__(self) -> Self:
        self._group = await self._stack.enter_async_context(task_group())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._group = None
        for work in self._works.values():
            work.heartbeats.cancel()
        self._works.clear()
        await self._stack.__aexit__(kind, error, trace)

    def _find(self, name: str) -> _Work:
        if name not in self._works:
            msg = f"no activity {name!r}: it was not started here, has ended, or no longer waits"
            raise ActivityNotFoundError(msg)
        return self._works[name]

    async def _end(self, name: str, call: Callable[[Target], Awaitable[None]]) -> None:
        work = self._find(name)
        del self._works[name]
        work.heartbeats.cancel()
        is_over = False
        try:
            # A heartbeat in flight would find that the activity has ended.
            await asyncio.wait([work.heartbeats])
            await call(work.target)
            is_over = True
        except (ActivityNotFoundError, ActivityResetError, CompletionUnprovenError):
            is_over = True
            raise
        finally:
            if not is_over and self._group is not None and name not in self._works:
                work.life.hasten()
                self._keep_alive(name, work.target, work.life)

    def _keep_alive(self, name: str, target: Target, life: KeepAlive) -> None:
        if self._group is None:
            msg = "an activity is started inside the block of its manager: async with manager"
            raise RuntimeError(msg)
        task = self._group.create_task(_run(name, life), name="keep an activity alive")
        self._works[name] = _Work(target, life, task)

    def _note_stop(self, name: str, life: KeepAlive, error: StopError) -> None:
        if isinstance(error, ActivityNotFoundError):
            # Later calls raise the error that Temporal's reply would cause.
            self._works.pop(name, None)
        reason = life.stopped
        assert reason is not None, "the error says it"
        if self._on_stop is None:
            logger.warning("activity should stop: %s, since %s", name, error)
            return
        failure = call_caught(partial(self._on_stop, name), reason)
        if isinstance(failure, Exception):
            logger.error("on_stop failed: activity %s", name, exc_info=failure)


async def _run(name: str, life: KeepAlive) -> None:
    failure = await caught(life.run())
    if isinstance(failure, Exception):
        logger.error("no heartbeats any more: activity %s", name, exc_info=failure)
