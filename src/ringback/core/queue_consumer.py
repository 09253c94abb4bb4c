"""Consumers of queues: what a message asks is committed before the message is acknowledged."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final, NoReturn, Protocol, TypeVar

from ringback.core.group_commit import GroupCommit, acknowledged
from ringback.core.hooks import DEAD, DUPLICATE, IGNORED, NO_HOOKS, STORED, Hooks
from ringback.core.queue_messages import MessageReader, ToStore, place_of
from ringback.core.services import OutageLog, TaskPool, caught, run_services, task_group
from ringback.domain.durations import backoff
from ringback.domain.errors import QueueUnavailableError, RetryableError, RingbackError
from ringback.ports.clock import Clock
from ringback.ports.events import SourceDelivery
from ringback.ports.queue import Broker, Queue, QueueMessage

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_WAIT: Final = timedelta(seconds=1)
LONGEST_WAIT: Final = timedelta(minutes=1)


class DeliveryStore(Protocol):
    """What stores events: `EventService`."""

    async def store(self, delivery: SourceDelivery) -> bool:
        """Store a delivery with its events; return whether it is new. It is committed then."""
        ...


class QueueConsumer:
    """Consumes one queue, across lost connections.

    It may be killed at any moment: the broker sends what was not acknowledged again, and the copy
    changes nothing.
    """

    def __init__(  # noqa: PLR0917 - each is a part of the way
        self,
        name: str,
        broker: Broker,
        reader: MessageReader,
        store: DeliveryStore,
        *,
        prefetch: int,
        clock: Clock,
        jitter: Callable[[], float],
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        """Consume the queue `name` of `broker`; hold at most `prefetch` messages."""
        self._hooks = hooks
        self._name = name
        self._broker = broker
        self._reader = reader
        self._store = store
        self._prefetch = prefetch
        self._clock = clock
        self._jitter = jitter
        self._outages = OutageLog(logger, "consume a queue", where=name)
        self._waits = _WaitLog(name)

    async def run(self) -> None:
        """Consume until canceled."""
        tries = 0
        self._hooks.queue_changed(self._name, is_connected=False)
        while True:
            began_at = self._clock.monotonic()
            failure = await caught(self._consume())
            _stop_if_canceled()
            tries = 1 if self._clock.monotonic() - began_at > LONGEST_WAIT else tries + 1
            self._hooks.queue_changed(self._name, is_connected=False)
            self._outages.record(QueueUnavailableError(_explain(failure)))
            await self._clock.sleep(self._backoff(tries))

    async def _consume(self) -> NoReturn:
        async with self._broker.connect(self._prefetch) as queue, task_group() as group:
            self._outages.record(None)
            self._hooks.queue_changed(self._name, is_connected=True)
            logger.info("queue connected", extra={"queue": self._name})
            acknowledger = _Acknowledger(queue)
            group.create_task(acknowledger.run(), name=f"queue {self._name}")
            pool = TaskPool(group, self._prefetch)
            while True:
                await pool.room()
                for message in await queue.receive(pool.free):
                    work = self._handle(message, acknowledger)
                    pool.start(work, name=f"message of {self._name}")

    async def _handle(self, message: QueueMessage, acknowledger: "_Acknowledger") -> None:
        found = await self._retry(lambda: self._reader.read(message))
        if found is None:
            self._hooks.queue_message_ended(self._name, IGNORED)
        else:
            await self._retry(lambda: self._commit(found))
        await acknowledger.acknowledge(message)

    async def _commit(self, found: ToStore) -> None:
        is_new = await self._store.store(found.delivery)
        result = DUPLICATE if not is_new else STORED if found.dead is None else DEAD
        self._hooks.queue_message_ended(self._name, result)
        if is_new and found.dead is not None:
            facts = {"queue": self._name, "event_id": found.delivery.id, "reason": found.dead}
            logger.warning("message cannot be used", extra=facts)

    async def _retry(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `work` once it succeeds. The message keeps its place."""
        tries = 0
        waits_for = ""
        try:
            while isinstance(result := await caught(work()), Exception):
                tries += 1
                reason = _explain(result)
                self._waits.change(waits_for, reason)
                waits_for = reason
                await self._clock.sleep(self._backoff(tries))
            return result
        finally:
            self._waits.change(waits_for, "")

    def _backoff(self, tries: int) -> timedelta:
        return backoff(tries, jitter=self._jitter(), first=FIRST_WAIT, longest=LONGEST_WAIT)


def _stop_if_canceled() -> None:
    """Raise the cancellation of this task that the code of a driver has swallowed.

    Raises:
        CancelledError: There was one.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class _WaitLog:
    """Logs why messages are retried: once for each reason, as long as one of them waits."""

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._waiting: Counter[str] = Counter()

    def change(self, before: str, now: str) -> None:
        """Count a message for the reason `now` instead of `before`; an empty one counts nothing."""
        if now and not self._waiting[now]:
            logger.warning("messages wait", extra={"queue": self._queue, "reason": now})
        self._waiting.update([now])
        self._waiting.subtract([before])
        self._waiting += Counter()
        del self._waiting[""]


class _Acknowledger:
    """Acknowledges messages of one connection in batches."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._batches = GroupCommit(acknowledged(self._send))
        self._failed = asyncio.Event()

    async def run(self) -> None:
        """Acknowledge until canceled.

        Raises:
            QueueUnavailableError: The connection is lost.
        """
        async with run_services(self._batches):
            await self._failed.wait()
        raise QueueUnavailableError(self._reason)

    async def acknowledge(self, message: QueueMessage) -> None:
        """Acknowledge a message; if the connection is lost, it comes again."""
        with suppress(RetryableError):
            await self._batches.submit(message)

    async def _send(self, messages: Sequence[QueueMessage]) -> None:
        failure = await caught(self._queue.acknowledge(messages))
        if isinstance(failure, Exception):
            self._reason = _explain(failure)
            self._failed.set()
            raise QueueUnavailableError(self._reason)


def _explain(error: Exception) -> str:
    """Return what the log says: no text of a driver, which may have a password or a message."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, RingbackError):
        return str(error) or type(error).__name__
    return f"unexpected error: {type(error).__name__} at {place_of(error)}"
