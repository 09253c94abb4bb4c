"""Services: loops that run beside the program, with an owner each.

A service returns only by being canceled, and a single bad item never ends it. This is the one
module that may catch every exception. Tasks are started in a task group: each has an owner.
"""

import asyncio
import logging
import random
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeVar

from ringback.domain.errors import RetryableError
from ringback.ports.clock import Clock

logger = logging.getLogger(__name__)

T = TypeVar("T")
V = TypeVar("V")


class Service(Protocol):
    """A loop that somebody else starts and stops."""

    async def run(self) -> None:
        """Run until canceled."""
        ...


@asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """Open a task group whose only error, if there is just one, comes out as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failures:
        if len(failures.exceptions) == 1:
            error = failures.exceptions[0]
            raise error from error.__cause__
        raise


@asynccontextmanager
async def run_services(*services: Service) -> AsyncIterator[None]:
    """Run `services` beside the body; stop them, last first, when it ends."""
    async with task_group() as group:
        tasks = [group.create_task(service.run()) for service in services]
        try:
            yield
        finally:
            for task in reversed(tasks):
                task.cancel()
                await asyncio.wait([task])


class TaskPool:
    """Runs short pieces of work beside each other, in the task group of the loop that owns them."""

    def __init__(self, group: asyncio.TaskGroup, size: int) -> None:
        """Take work into `group`; `free` counts down from `size`."""
        self._group = group
        self._size = size
        self._busy: set[asyncio.Task[None]] = set()

    @property
    def free(self) -> int:
        """How many more pieces fit."""
        return self._size - len(self._busy)

    async def room(self, places: int = 1) -> None:
        """Return when there are so many free places."""
        while self.free < places:
            await asyncio.wait(self._busy, return_when=asyncio.FIRST_COMPLETED)

    def start(self, work: Coroutine[object, object, None], *, name: str) -> asyncio.Task[None]:
        """Begin a piece of work; if it fails, that is logged and ends nothing else.

        There must be a `free` place for it.
        """
        assert self.free > 0, "ask for a free place first"
        task = self._group.create_task(_survive(work, name), name=name)
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)
        return task


async def _survive(work: Coroutine[object, object, None], name: str) -> None:
    failure = await caught(work)
    if isinstance(failure, RetryableError):
        logger.warning("%s failed: %s", name, failure)
    elif isinstance(failure, Exception):
        logger.error("%s failed", name, exc_info=failure)


async def caught(work: Awaitable[T]) -> T | Exception:
    """Return what `work` returns, or the exception that it raised."""
    try:
        return await work
    except Exception as exc:  # noqa: BLE001 - what judges or logs the exception is the caller
        return exc


def call_caught(work: Callable[[V], T], value: V) -> T | Exception:
    """Return what `work` returns for `value`, or the exception that it raised."""
    try:
        return work(value)
    except Exception as exc:  # noqa: BLE001 - what judges or logs the exception is the caller
        return exc


class OutageLog:
    """Logs that a loop cannot do its work, once for as long as it lasts."""

    def __init__(self, log: logging.Logger, what: str) -> None:
        """Log to `log` that the loop cannot do `what`."""
        self._log = log
        self._what = what
        self.lasts = False

    def record(self, result: object) -> None:
        """Take note of what `caught` returned."""
        is_failure = isinstance(result, Exception)
        if is_failure and not self.lasts:
            # Some errors, such as a timeout, have no text of their own.
            self._log.warning("cannot %s: %s", self._what, str(result) or type(result).__name__)
        self.lasts = is_failure


class FailureLog:
    """Logs what fails for one callback, once for each callback and reason."""

    def __init__(self, log: logging.Logger, what: str, *, size: int = 10_000) -> None:
        """Log to `log` that the loop cannot do `what`, and remember the last `size` failures."""
        self._log = log
        self._size = size
        self._what = what
        self._reported: OrderedDict[tuple[str, str], None] = OrderedDict()

    def report(self, callback_id: str, failure: Exception) -> None:
        """Log `failure`, unless it was logged for this callback before."""
        reason = str(failure) or type(failure).__name__
        if (callback_id, reason) in self._reported:
            return
        self._reported[callback_id, reason] = None
        if len(self._reported) > self._size:
            self._reported.popitem(last=False)
        facts = {"callback_id": callback_id}
        self._log.error("cannot %s: %s", self._what, reason, extra=facts)


async def write_each(
    write: Callable[[Sequence[T]], Awaitable[object]], items: Sequence[T]
) -> list[tuple[T, Exception]]:
    """Write all of `items` at once; if that fails, write each alone.

    Returns:
        The items that cannot be written, each with the reason.

    Raises:
        RetryableError: Nothing can be written now.
    """
    if not items:
        return []
    failure = await caught(write(items))
    if isinstance(failure, RetryableError):
        raise failure
    if not isinstance(failure, Exception):
        return []
    if len(items) == 1:
        return [(items[0], failure)]
    return [failed for item in items for failed in await write_each(write, [item])]


async def wait_for_event(event: asyncio.Event, clock: Clock, *, at_most: timedelta) -> None:
    """Return when `event` is set, or `at_most` has passed."""
    waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(clock.sleep(at_most))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)  # noqa: TID251 - this is where time comes in

    def monotonic(self) -> timedelta:
        """See `Clock.monotonic`."""
        return timedelta(seconds=time.monotonic())

    async def sleep(self, delay: timedelta) -> None:
        """See `Clock.sleep`."""
        await asyncio.sleep(delay.total_seconds())


jitter: Final[Callable[[], float]] = random.SystemRandom().random
"""Chance, from 0 to 1."""
