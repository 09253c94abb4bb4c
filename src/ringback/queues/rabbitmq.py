"""Queues of RabbitMQ, and of other brokers that speak AMQP 0-9-1."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, TypeAlias

import aio_pika
from aio_pika.connection import make_url
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic
from pamqp.exceptions import PAMQPException
from pamqp.header import ContentHeader

from ringback.ports.queue import QueueMessage
from ringback.queues.drivers import HEARTBEAT, Buffer, QueueAddress, close, to_headers

_ERRORS: Final = (AMQPError, PAMQPException, RuntimeError, ValueError)
"""What the driver raises; a RuntimeError says that the connection is closed."""

_MISSING: Final = (
    "there is no such queue; declare it, durable and if possible of type quorum, or correct its"
    " name"
)


class RabbitmqBroker:
    """A RabbitMQ server with a queue that exists."""

    def __init__(self, url: str, name: str, *, heartbeat: int = HEARTBEAT) -> None:
        """Read the queue `name` of the server at `url`, `amqp://` or `amqps://`.

        Expect a sign of life every `heartbeat` seconds.
        """
        tolerate_unreadable_fields()
        self._heartbeat = heartbeat
        self._url = url
        self._name = name
        self._place = QueueAddress("RabbitMQ", url, f"queue {name!r}")

    def connect(self, prefetch: int) -> AbstractAsyncContextManager["RabbitmqQueue"]:
        return self._connect(prefetch)

    @asynccontextmanager
    async def _connect(self, prefetch: int) -> AsyncIterator["RabbitmqQueue"]:
        # Not by `aio_pika.connect`, which leaves a connection open that fails.
        async with self._place.reached(*_ERRORS):
            connection = aio_pika.Connection(make_url(self._url, heartbeat=self._heartbeat))
        try:
            async with self._place.reached(*_ERRORS):
                await connection.connect()
                opened = await connection.channel(publisher_confirms=False)
                channel = await opened.get_underlay_channel()
                queue = await self._consume(channel, prefetch)
            yield queue
        finally:
            await close(connection.close(), *_ERRORS)

    async def _consume(self, channel: AbstractChannel, prefetch: int) -> "RabbitmqQueue":
        queue = RabbitmqQueue(channel, self._place)
        await channel.basic_qos(prefetch_count=prefetch)
        try:
            await channel.basic_consume(self._name, queue.put)
        except ChannelNotFoundEntity:
            raise self._place.error(_MISSING) from None
        return queue


class RabbitmqQueue:
    """A consumer on a channel of its own."""

    def __init__(self, channel: AbstractChannel, place: QueueAddress) -> None:
        """Acknowledge on `channel`."""
        self._channel = channel
        self._place = place
        self._buffer = Buffer()
        self._unacknowledged: dict[int, QueueMessage] = {}
        channel.closing.add_done_callback(self._on_closed)
        channel.on_consumer_cancel_callbacks.add(self._on_canceled)

    async def put(self, delivered: DeliveredMessage) -> None:
        """Add a message that the broker has pushed; the driver calls it in their order."""
        properties, tag = delivered.header.properties, delivered.delivery_tag
        assert tag is not None, "a delivery has a tag"
        pairs = (properties.headers or {}).items()
        message = QueueMessage(
            body=delivered.body,
            headers=to_headers([("content-type", properties.content_type), *pairs]),
            key=properties.message_id or None,
            receipt=tag,
        )
        self._unacknowledged[tag] = message
        self._buffer.put(message)

    async def receive(self, limit: int) -> Sequence[QueueMessage]:
        return await self._buffer.take(limit)

    async def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        self._buffer.check()
        # A tag counts on one connection only: on the next, another message has it.
        tags = [one.receipt for one in messages if self._is_unacknowledged(one)]
        for tag in tags:
            del self._unacknowledged[tag]
        if not tags:
            return
        oldest = next(iter(self._unacknowledged), max(tags) + 1)
        frames = [(tag, False) for tag in tags if tag > oldest]
        if len(frames) < len(tags):
            # One frame acknowledges all up to it.
            frames.append((max(tag for tag in tags if tag < oldest), True))
        async with self._place.reached(*_ERRORS):
            for tag, multiple in frames[:-1]:
                await self._channel.basic_ack(tag, multiple=multiple, wait=False)
            # This waits until all are written: what is still in this process could be lost with it.
            await self._channel.basic_ack(frames[-1][0], multiple=frames[-1][1])

    def _is_unacknowledged(self, message: QueueMessage) -> bool:
        return self._unacknowledged.get(message.receipt) is message

    def _on_closed(self, closing: asyncio.Future[object]) -> None:
        reason = None if closing.cancelled() else closing.exception()
        self._buffer.fail(self._place.error(reason or "the connection is closed"))

    def _on_canceled(self, _: Basic.Cancel) -> None:
        self._buffer.fail(self._place.error("the broker ended the consumer; is the queue deleted?"))


_Decode: TypeAlias = Callable[[Any, bytes], None]

_UNDECODABLE: Final = (
    ArithmeticError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)


def tolerate_unreadable_fields() -> None:
    """Let the driver leave out what it cannot decode of a message, and what follows it.

    A broker passes on what a publisher wrote: a time in microseconds, or a name that is not UTF-8.
    The driver ends the connection then. The broker sends the message again, and so it stops the
    queue.

    What comes before is kept: it decodes one field after the other into the frame.
    """
    frames: Sequence[tuple[Any, str]] = [
        (Basic.Deliver, "delivery_tag"),
        (ContentHeader, "class_id"),
    ]
    for frame, known in frames:
        if frame.unmarshal.__module__ != __name__:
            frame.unmarshal = _tolerant(frame.unmarshal, known)


def _tolerant(decode: _Decode, known: str) -> _Decode:
    def unmarshal(self: Any, data: bytes) -> None:
        try:
            decode(self, data)
        except _UNDECODABLE:
            # Without this, nobody knows which message it is, or how long.
            if getattr(self, known) is None:
                raise

    return unmarshal
