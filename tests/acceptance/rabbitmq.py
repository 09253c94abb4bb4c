"""A queue of a real RabbitMQ for one test, as publishers see it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import uuid4

import aio_pika

from tests.polling import pause
from tests.services import missing

_VARIABLE: Final = "RINGBACK_TEST_RABBITMQ"
URL: Final = os.environ.get(_VARIABLE, "amqp://guest:guest@127.0.0.1:5672/")


class OwnQueue:
    """A durable queue, and what a publisher does with it."""

    def __init__(self, channel: aio_pika.abc.AbstractChannel, name: str) -> None:
        self._channel = channel
        self.name = name

    async def publish(self, body: bytes, *, key: str | None = None, **headers: str) -> None:
        """Publish a message; `ringback_link` is the header `ringback-link`."""
        message = aio_pika.Message(
            body,
            message_id=key,
            headers={name.replace("_", "-"): text for name, text in headers.items()},
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        await self._channel.default_exchange.publish(message, self.name)

    async def count(self) -> int:
        """Return how many messages no consumer holds."""
        declared = await self._channel.declare_queue(self.name, passive=True)
        return declared.declaration_result.message_count or 0

    async def until(self, count: int) -> None:
        """Return once no consumer holds `count` messages."""
        while await self.count() != count:
            await pause()


@asynccontextmanager
async def rabbitmq_queue() -> AsyncIterator[OwnQueue]:
    """Declare a queue for the block."""
    try:
        connection = await aio_pika.connect(URL, timeout=5)
    except (OSError, aio_pika.exceptions.AMQPError):
        missing("RabbitMQ", f"start one on 127.0.0.1:5672 or set {_VARIABLE}=amqp://…")
    async with connection:
        channel = await connection.channel()
        name = f"ringback-test-{uuid4()}"
        await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
        try:
            yield OwnQueue(channel, name)
        finally:
            await channel.queue_delete(name)
