"""Redis Streams keep the contract of the queues."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from ringback.queues.redis_streams import RedisBroker
from tests.contract.own_server import OwnServer, own_server, program_path, unused_port
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


class RedisTestQueue:
    def __init__(self, client: Redis, url: str, name: str) -> None:
        self.client = client
        self.url = url
        self.name = name

    def broker(self, *, patience: float | None = None, group: str = "group") -> RedisBroker:
        return RedisBroker(self.url, self.name, group, min_idle=patience or 300)

    def missing_queue(self) -> RedisBroker:
        return RedisBroker(self.url, f"missing-{uuid4()}", "group")

    def wrong_password(self) -> RedisBroker:
        return RedisBroker(self.url.replace("right", PASSWORD), self.name, "group")

    def program(self) -> tuple[str, str, str]:
        options = json.dumps({"url": self.url, "name": self.name, "group": "group"})
        return "ringback.queues.redis_streams", "RedisBroker", options

    async def publish(
        self, bodies: Sequence[bytes], headers: Mapping[str, str | bytes] | None = None
    ) -> None:
        for body in bodies:
            fields: dict[Any, Any] = {"body": body, **(headers or {})}
            await self.client.xadd(self.name, fields)

    async def consumers(self) -> list[Any]:
        return list(await self.client.xinfo_consumers(self.name, "group"))


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OwnServer]:
    folder, port = tmp_path_factory.mktemp("redis"), unused_port()
    words: list[str | Path] = [program_path("redis-server", "redis-server"), "--port", str(port)]
    options = ["--bind", "127.0.0.1", "--requirepass", "right", "--appendonly", "yes", "--save", ""]
    async with own_server([*words, *options], port, folder) as server:
        yield server


@pytest.fixture
async def tested(server: OwnServer) -> AsyncIterator[RedisTestQueue]:
    url = f"redis://:right@127.0.0.1:{server.port}/0"
    async with Redis.from_url(url, protocol=2) as client:
        tested = RedisTestQueue(client, url, f"stream-{uuid4()}")
        await client.xgroup_create(tested.name, "other", mkstream=True)
        yield tested
        await client.delete(tested.name)


class TestRedis(QueueContract):
    async def test_key_is_the_id_of_the_entry(self, tested: RedisTestQueue) -> None:
        entry_id: Any = await tested.client.xadd(tested.name, {"body": "1"})

        async with tested.broker().connect(2) as queue:
            (message,) = await take(queue, 1)

        assert message.key == entry_id.decode()

    async def test_entry_without_body_is_an_empty_message(self, tested: RedisTestQueue) -> None:
        await tested.client.xadd(tested.name, {"callback": "cb_1"})

        async with tested.broker().connect(2) as queue:
            (message,) = await take(queue, 1)

        assert (message.body, message.headers) == (b"", {"callback": "cb_1"})

    async def test_each_group_reads_all(self, tested: RedisTestQueue) -> None:
        await tested.publish(numbered(3))

        for group in ("one", "two"):
            async with tested.broker(group=group).connect(9) as queue:
                messages = await take(queue, 3)
                await queue.acknowledge(messages)
            assert bodies(messages) == numbered(3)

    @pytest.mark.thorough
    async def test_held_message_is_not_claimed_by_others(self, tested: RedisTestQueue) -> None:
        await tested.publish(numbered(3))

        async with tested.broker(patience=10).connect(2) as queue:
            held = await take(queue, 2)
            async with tested.broker(patience=10).connect(9) as other:
                (third,) = await take(other, 1)
                for _ in range(26):
                    assert await is_silent(other)
            await queue.acknowledge(held)

        assert bodies([*held, third]) == numbered(3)

    async def test_trimmed_entry_does_not_come_again(self, tested: RedisTestQueue) -> None:
        await tested.publish(numbered(3))
        broker = tested.broker()
        async with broker.connect(3) as queue:
            await take(queue, 3)
        await tested.client.xtrim(tested.name, maxlen=1, approximate=False)

        async with broker.connect(3) as queue:
            assert bodies(await take(queue, 1)) == [b"2"]
            assert await is_silent(queue)
            pending = await tested.client.xpending(tested.name, "group")
        assert pending["pending"] == 1

    async def test_consumer_whose_connection_was_lost_gets_its_own_at_once(
        self, server: OwnServer, tested: RedisTestQueue
    ) -> None:
        await tested.publish(numbered(3))
        broker = tested.broker()
        async with broker.connect(3) as queue:
            await take(queue, 3)
            await server.stop()
            await assert_lost(queue)
        await server.start()

        async with broker.connect(3) as queue:
            assert bodies(await take(queue, 3)) == numbered(3)

    async def test_consumer_is_deleted_unless_it_has_entries(self, tested: RedisTestQueue) -> None:
        await tested.publish(numbered(2))
        broker = tested.broker()
        async with broker.connect(2) as queue:
            messages = await take(queue, 2)
            await queue.acknowledge(messages[:1])
        (kept,) = await tested.consumers()

        async with broker.connect(2) as queue:
            await queue.acknowledge(await take(queue, 1))

        assert kept["pending"] == 1
        assert await tested.consumers() == []

    async def test_deleted_group_is_reported(self, tested: RedisTestQueue) -> None:
        async with tested.broker().connect(2) as queue:
            await tested.client.xgroup_destroy(tested.name, "group")

            await assert_lost(queue)

    async def test_restarts_under_load_lose_nothing(
        self, server: OwnServer, tested: RedisTestQueue
    ) -> None:
        await tested.publish(numbered(300))

        async def restart() -> None:
            await server.stop()
            await server.start()

        await consume_all(lambda: tested.broker(patience=1), 300, disturb=restart)

    @pytest.mark.thorough
    async def test_frozen_broker_is_noticed(
        self, server: OwnServer, tested: RedisTestQueue
    ) -> None:
        async with tested.broker().connect(50) as queue:
            with server.frozen():
                await assert_lost(queue)
