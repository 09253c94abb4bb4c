"""A broker in memory with what Ringback needs of one: order, redelivery, and lost connections."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count

from ringback.domain.errors import QueueUnavailableError
from ringback.ports.queue import Queue, QueueMessage


class MemoryBroker:
    """A queue that keeps its messages until they are acknowledged.

    Attributes:
        is_up: Whether it can be connected to.
        connections: How often somebody has connected.
        log: What happened, in order; tests add their own lines.
        refuses_acknowledgements: Whether the next acknowledgement ends the connection.
        swallows_cancellation: Whether a driver that is canceled reports a lost connection.
        broken: An error that a driver raises at the next call instead of waiting.
    """

    def __init__(self) -> None:
        self.is_up = True
        self.connections = 0
        self.log: list[str] = []
        self.broken: Exception | None = None
        self.refuses_acknowledgements = False
        self.swallows_cancellation = False
        self._messages: dict[int, QueueMessage] = {}
        self._sent: set[int] = set()
        self._changed = asyncio.Event()
        self._numbers = count(1)
        self._connection: MemoryQueue | None = None

    def publish(self, body: bytes, *, key: str | None = None, **headers: str) -> None:
        """Add a message; `ringback_link` is the header `ringback-link`."""
        number = next(self._numbers)
        named: Mapping[str, str] = {name.replace("_", "-"): text for name, text in headers.items()}
        self._messages[number] = QueueMessage(body, named, key, number)
        self._changed.set()

    @property
    def left(self) -> list[bytes]:
        """The bodies that have not been acknowledged, in order."""
        return [self._messages[number].body for number in sorted(self._messages)]

    def drop(self) -> None:
        """End the connection: everything that was not acknowledged comes again."""
        self._sent.clear()
        self._connection = None
        self._changed.set()

    def connect(self, prefetch: int) -> AbstractAsyncContextManager[Queue]:
        return self._connect(prefetch)

    @asynccontextmanager
    async def _connect(self, prefetch: int) -> AsyncIterator[Queue]:
        if not self.is_up:
            msg = "the broker is down"
            raise QueueUnavailableError(msg)
        self.connections += 1
        self._sent.clear()
        self._connection = connection = MemoryQueue(self, prefetch)
        yield connection

    async def receive(self, connection: "MemoryQueue", limit: int) -> Sequence[QueueMessage]:
        while True:
            self._check(connection)
            ready = [number for number in sorted(self._messages) if number not in self._sent]
            taken = ready[: min(limit, connection.prefetch - len(self._sent))]
            if taken:
                self._sent.update(taken)
                return [self._messages[number] for number in taken]
            self._changed.clear()
            try:
                await self._changed.wait()
            except asyncio.CancelledError:
                if not self.swallows_cancellation:
                    raise
                msg = "the driver was canceled"
                raise QueueUnavailableError(msg) from None

    def acknowledge(self, connection: "MemoryQueue", messages: Sequence[QueueMessage]) -> None:
        self._check(connection)
        if self.refuses_acknowledgements:
            self.refuses_acknowledgements = False
            self.drop()
            self._check(connection)
        for message in messages:
            self._messages.pop(message.receipt, None)
            self._sent.discard(message.receipt)
            self.log.append(f"acknowledged {message.body!r}")
        self._changed.set()

    def _check(self, connection: "MemoryQueue") -> None:
        if self.broken is not None:
            error, self.broken = self.broken, None
            raise error
        if connection is not self._connection or not self.is_up:
            msg = "the connection is lost"
            raise QueueUnavailableError(msg)


class MemoryQueue:
    """A connection to a `MemoryBroker`."""

    def __init__(self, broker: MemoryBroker, prefetch: int) -> None:
        self._broker = broker
        self.prefetch = prefetch

    async def receive(self, limit: int) -> Sequence[QueueMessage]:
        return await self._broker.receive(self, limit)

    async def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        self._broker.acknowledge(self, messages)
