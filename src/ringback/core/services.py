"""Services: loops that run beside the program.

A service returns only when it is canceled, and a failed item never ends it. Only this module may
catch every exception. Tasks start in a task group, so that each has an owner.
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
    """A loop that its owner starts and stops."""

    async def run(self) -> None:
        """Run until canceled."""
        ...


@asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """Open a task group that raises a single error as itself, not as a group."""
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
    """Run `services` during the block; stop them, last first, when it ends."""
    async with task_group() as group:
        tasks = [group.create_task(service.run()) for service in services]
        try:
            yield
        finally:
            for task in reversed(tasks):
                task.cancel()
                await asyncio.wait([task])


class TaskPool:
    """Runs a bounded number of short tasks concurrently, in the task group of their loop."""

    def __init__(self, group: asyncio.TaskGroup, size: int) -> None:
        """Start tasks in `group`, at most `size` at a time."""
        self._group = group
        self._size = size
        self._busy: set[asyncio.Task[None]] = set()

    @property
    def free(self) -> int:
        """The number of free places."""
        return self._size - len(self._busy)

    async def room(self, places: int = 1) -> None:
        """Wait until there are `places` free places."""
        while self.free < places:
            await asyncio.wait(self._busy, return_when=asyncio.FIRST_COMPLETED)

    def start(self, work: Coroutine[object, object, None], *, name: str) -> asyncio.Task[None]:
        """Start a task; if it fails, the failure is logged and nothing else ends.

        There must be a `free` place.
        """
        assert self.free > 0, "wait for room first"
        task = self._group.create_task(_survive(work, name), name=name)
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)
        return task


async def _survive(work: Coroutine[object, object, None], name: str) -> None:
    failure = await caught(work)
    if isinstance(failure, RetryableError):
        logger.warning("task failed: %s: %s", name, failure)
    elif isinstance(failure, Exception):
        logger.error("task failed: %s", name, exc_info=failure)


async def caught(work: Awaitable[T]) -> T | Exception:
    """Return the result of `work`, or the exception that it raised.

    Use it only in loops that must survive any failure of an item, and around code of users.
    """
    try:
        return await work
    except Exception as exc:  # noqa: BLE001 - the caller handles the exception
        return exc


def call_caught(work: Callable[[V], T], value: V) -> T | Exception:
    """Return the result of `work(value)`, or the exception that it raised."""
    try:
        return work(value)
    except Exception as exc:  # noqa: BLE001 - the caller handles the exception
        return exc


class OutageLog:
    """Logs once per outage that a loop cannot do its work."""

    def __init__(self, log: logging.Logger, what: str, *, where: str | None = None) -> None:
        """Log to `log` that the loop cannot do `what`, one of few, at `where`."""
        self._log = log
        self._message = f"cannot {what}: %s" if where is None else f"cannot {what}: {where}: %s"
        self.lasts = False

    def record(self, result: object) -> None:
        """Record what `caught` returned."""
        is_failure = isinstance(result, Exception)
        if is_failure and not self.lasts:
            # Some errors, such as a timeout, have no text of their own.
            self._log.warning(self._message, str(result) or type(result).__name__)
        self.lasts = is_failure


class FailureLog:
    """Logs failures of single callbacks, once per callback and reason."""

    def __init__(self, log: logging.Logger, what: str, *, size: int = 10_000) -> None:
        """Log to `log` that the loop cannot do `what`, and remember the last `size` failures."""
        self._log = log
        self._size = size
        self._message = f"cannot {what}: %s"
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
        self._log.error(self._message, reason, extra=facts)


async def write_each(
    write: Callable[[Sequence[T]], Awaitable[object]], items: Sequence[T]
) -> list[tuple[T, Exception]]:
    """Write all of `items` together; if that fails, write each alone.

    Returns:
        The items that cannot be written, each with the error.

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
    """Wait until `event` is set, or `at_most` has passed."""
    waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(clock.sleep(at_most))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:  # noqa: D102 - `Clock` documents it
        return datetime.now(UTC)  # noqa: TID251 - this is where time comes in

    def monotonic(self) -> timedelta:  # noqa: D102 - `Clock` documents it
        return timedelta(seconds=time.monotonic())

    async def sleep(self, delay: timedelta) -> None:  # noqa: D102 - `Clock` documents it
        await asyncio.sleep(delay.total_seconds())


jitter: Final[Callable[[], float]] = random.SystemRandom().random
"""Returns a random number from 0 to 1."""
