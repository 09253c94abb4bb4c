"""RabbitMQ keeps the contract of the queues."""

import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from urllib.parse import urlsplit
from uuid import uuid4

import aio_pika
import pytest
from pamqp.commands import Basic
from pamqp.common import FieldValue

from ringback.queues.rabbitmq import RabbitmqBroker
from tests.contract.proxy import Proxy, proxy_to
from tests.contract.queues import (
    PASSWORD,
    QueueContract,
    assert_lost,
    bodies,
    consume_all,
    is_silent,
    numbered,
    take,
)
from tests.services import missing

VARIABLE = "RINGBACK_TEST_RABBITMQ"
URL = os.environ.get(VARIABLE, "amqp://guest:guest@127.0.0.1:5672/")


class RabbitmqTestQueue:
    def __init__(self, channel: aio_pika.abc.AbstractChannel, name: str) -> None:
        self._channel = channel
        self.name = name

    def broker(self, *, patience: float | None = None) -> RabbitmqBroker:
        # RabbitMQ notices at once that a connection has ended.
        del patience
        return RabbitmqBroker(URL, self.name)

    def missing_queue(self) -> RabbitmqBroker:
        return RabbitmqBroker(URL, f"missing-{uuid4()}")

    def wrong_password(self) -> RabbitmqBroker:
        return RabbitmqBroker(URL.replace(":guest@", f":{PASSWORD}@"), self.name)

    def program(self) -> tuple[str, str, str]:
        options = json.dumps({"url": URL, "name": self.name})
        return "ringback.queues.rabbitmq", "RabbitmqBroker", options

    async def publish(
        self, bodies: Sequence[bytes], headers: Mapping[str, str | bytes] | None = None
    ) -> None:
        table: dict[str, FieldValue] = {
            name: bytearray(value) if isinstance(value, bytes) else value
            for name, value in (headers or {}).items()
        }
        for body in bodies:
            message = aio_pika.Message(body, message_id=str(uuid4()), headers=table)
            await self._channel.default_exchange.publish(message, self.name)

    async def delete(self) -> None:
        await self._channel.queue_delete(self.name)


@pytest.fixture(params=["classic", "quorum"])
async def tested(request: pytest.FixtureRequest) -> AsyncIterator[RabbitmqTestQueue]:
    try:
        connection = await aio_pika.connect(URL, timeout=5)
    except (OSError, aio_pika.exceptions.AMQPError):
        missing("RabbitMQ", f"start one on 127.0.0.1:5672 or set {VARIABLE}=amqp://…")
    async with connection:
        channel = await connection.channel()
        name = f"ringback-test-{uuid4()}"
        await channel.declare_queue(name, durable=True, arguments={"x-queue-type": request.param})
        try:
            yield RabbitmqTestQueue(channel, name)
        finally:
            await channel.queue_delete(name)


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    async with proxy_to(urlsplit(URL).port or 5672) as proxy:
        yield proxy


def through(proxy: Proxy, tested: RabbitmqTestQueue, heartbeat: int = 7) -> RabbitmqBroker:
    url = f"amqp://guest:guest@127.0.0.1:{proxy.port}/"
    return RabbitmqBroker(url, tested.name, heartbeat=heartbeat)


class TestRabbitmq(QueueContract):
    async def test_key_is_the_message_id_and_content_type_is_a_header(
        self, tested: RabbitmqTestQueue
    ) -> None:
        named = aio_pika.Message(b"1", message_id="id 1", content_type="application/json")
        async with await aio_pika.connect(URL) as connection, connection.channel() as channel:
            await channel.default_exchange.publish(named, tested.name)

        async with tested.broker().connect(2) as queue:
            (message,) = await take(queue, 1)

        assert message.key == "id 1"
        assert message.headers == {"content-type": "application/json"}

    async def test_deleted_queue_is_reported(self, tested: RabbitmqTestQueue) -> None:
        async with tested.broker().connect(2) as queue:
            await tested.delete()

            await assert_lost(queue)

    async def test_acknowledgements_with_gaps_are_exact(self, tested: RabbitmqTestQueue) -> None:
        await tested.publish(numbered(20))

        async with tested.broker().connect(20) as queue:
            messages = await take(queue, 20)
            await queue.acknowledge([*messages[:5], *messages[7:9], messages[15]])
            await queue.acknowledge([messages[6], messages[5]])

        async with tested.broker().connect(20) as queue:
            again = await take(queue, 10)
            assert await is_silent(queue)
        assert sorted(bodies(again), key=int) == [*numbered(6, 9), *numbered(4, 16)]

    async def test_cut_connections_under_load_lose_nothing(
        self, tested: RabbitmqTestQueue, proxy: Proxy
    ) -> None:
        await tested.publish(numbered(300))

        async def cut() -> None:
            proxy.cut()

        await consume_all(lambda: through(proxy, tested), 300, disturb=cut)

    @pytest.mark.thorough
    async def test_frozen_broker_is_noticed(self, tested: RabbitmqTestQueue, proxy: Proxy) -> None:
        async with through(proxy, tested, heartbeat=1).connect(50) as queue:
            with proxy.frozen():
                await assert_lost(queue)

    async def test_what_is_not_utf_8_does_not_stop_the_queue(
        self, tested: RabbitmqTestQueue
    ) -> None:
        latin_1 = _Latin1("caf\xe9")
        async with await aio_pika.connect(URL) as connection, connection.channel() as channel:
            name = f"ringback-test-{uuid4()}"
            exchange = await channel.declare_exchange(name, "fanout", auto_delete=True)
            await (await channel.get_queue(tested.name)).bind(exchange)
            raw = await channel.get_underlay_channel()
            for body, key, properties in [
                (b"1", "", Basic.Properties(message_id=latin_1, headers={"kept": "yes"})),
                (b"2", latin_1, Basic.Properties(message_id="2")),
                (b"3", "", Basic.Properties(message_id="3", headers={latin_1: "1"})),
                (b"4", "", Basic.Properties(message_id="4")),
            ]:
                await raw.basic_publish(body, exchange=name, routing_key=key, properties=properties)

        async with tested.broker().connect(4) as queue:
            messages = await take(queue, 4)
            await queue.acknowledge(messages)

        assert [(one.body, one.key, one.headers) for one in messages] == [
            (b"1", None, {"kept": "yes"}),
            (b"2", "2", {}),
            (b"3", None, {}),
            (b"4", "4", {}),
        ]


class _Latin1(str):
    """A text that the driver writes in another encoding, as other drivers can."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:  # noqa: ARG002 - the caller's
        return super().encode("latin-1")
