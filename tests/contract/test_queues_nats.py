"""NATS JetStream keeps the contract of the queues."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import nats
import pytest
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig

from ringback.queues.nats import NatsBroker
from tests.contract.own_server import OwnServer, own_server, program_path, unused_port
from tests.contract.queues import (
    PASSWORD,
    QueueContract,
    assert_lost,
    bodies,
    consume_all,
    is_silent,
    numbered,
    rejected,
    take,
)


class NatsTestQueue:
    def __init__(self, client: Client, url: str, name: str) -> None:
        self.js = client.jetstream()
        self.url = url
        self.name = name

    def broker(self, *, patience: float | None = None, group: str = "group") -> NatsBroker:
        return NatsBroker(self.url, self.name, group, ack_wait=patience or 300, heartbeat=1)

    def missing_queue(self) -> NatsBroker:
        return NatsBroker(self.url, f"missing-{uuid4()}", "group")

    def wrong_password(self) -> NatsBroker:
        return NatsBroker(self.url.replace("right", PASSWORD), self.name, "group")

    def program(self) -> tuple[str, str, str]:
        options = {"url": self.url, "name": self.name, "group": "group", "ack_wait": 1}
        return "ringback.queues.nats", "NatsBroker", json.dumps(options)

    async def publish(
        self, bodies: Sequence[bytes], headers: Mapping[str, str | bytes] | None = None
    ) -> None:
        texts = {key: value for key, value in (headers or {}).items() if isinstance(value, str)}
        for body in bodies:
            await self.js.publish(self.name, body, headers=texts or None)

    async def publish_raw(self, headers: bytes, body: bytes) -> None:
        """Publish headers that the driver would not send."""
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(self.url).port)
        sign_in = {"verbose": False, "headers": True, "user": "test", "pass": "right"}
        sizes = f"{len(headers)} {len(headers) + len(body)}"
        writer.write(
            f"CONNECT {json.dumps(sign_in)}\r\nHPUB {self.name} {sizes}\r\n".encode()
            + headers
            + body
            + b"\r\nPING\r\n"
        )
        while not (await reader.readline()).startswith(b"PONG"):
            pass
        writer.close()


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OwnServer]:
    folder, port = tmp_path_factory.mktemp("nats"), unused_port()
    words = [program_path("nats-server", "nats-server"), "-a", "127.0.0.1", "-p", str(port)]
    options: list[str | Path] = ["-js", "-sd", folder, "--user", "test", "--pass", "right"]
    config = folder / "nats.conf"
    config.write_text("max_payload: 2097152")
    async with own_server([*words, *options, "-c", config], port, folder) as server:
        yield server


@pytest.fixture
async def tested(server: OwnServer) -> AsyncIterator[NatsTestQueue]:
    url = f"nats://test:right@127.0.0.1:{server.port}"
    client = await nats.connect(url, allow_reconnect=False)
    tested = NatsTestQueue(client, url, f"stream-{uuid4()}")
    await tested.js.add_stream(name=tested.name, subjects=[tested.name])
    yield tested
    await client.close()


class TestNats(QueueContract):
    async def test_key_is_the_publishers_or_the_position(self, tested: NatsTestQueue) -> None:
        await tested.publish([b"1"])
        await tested.publish([b"2"], {"Nats-Msg-Id": "id 2"})

        async with tested.broker().connect(2) as queue:
            first, second = await take(queue, 2)

        assert (first.key, second.key) == (f"{tested.name}:1", "id 2")

    async def test_status_of_a_publisher_is_a_header_like_any(self, tested: NatsTestQueue) -> None:
        await tested.publish([b"1"], {"Status": "503"})

        async with tested.broker().connect(2) as queue:
            (message,) = await take(queue, 1)

        assert message.headers == {"status": "503"}

    async def test_headers_that_are_not_utf_8_do_not_stop_the_queue(
        self, tested: NatsTestQueue
    ) -> None:
        async with tested.broker().connect(9) as queue:
            for headers in (b"NATS/1.0 \xff\xfe\xfd\r\n\r\n", b"NATS/1.0 503 caf\xe9\r\n\r\n"):
                await tested.publish_raw(headers, b"1")
            await tested.publish([b"2"])

            assert bodies(await take(queue, 3)) == [b"1", b"1", b"2"]

    @pytest.mark.thorough
    async def test_held_message_is_not_redelivered(self, tested: NatsTestQueue) -> None:
        await tested.publish(numbered(3))

        async with tested.broker(patience=10).connect(2) as queue:
            held = await take(queue, 2)
            async with tested.broker().connect(9) as other:
                (third,) = await take(other, 1)
                for _ in range(26):
                    assert await is_silent(other)
            await queue.acknowledge(held)

        assert bodies([*held, third]) == numbered(3)

    @pytest.mark.parametrize("policy", [AckPolicy.NONE, AckPolicy.ALL])
    async def test_consumer_with_another_ack_policy_is_rejected(
        self, tested: NatsTestQueue, policy: AckPolicy
    ) -> None:
        config = ConsumerConfig(durable_name="group", ack_policy=policy)
        await tested.js.add_consumer(tested.name, config)

        assert "ack policy explicit" in await rejected(tested.broker())

    async def test_each_group_reads_all(self, tested: NatsTestQueue) -> None:
        await tested.publish(numbered(3))

        for group in ("one", "two"):
            async with tested.broker(group=group).connect(9) as queue:
                messages = await take(queue, 3)
                await queue.acknowledge(messages)
            assert bodies(messages) == numbered(3)

    async def test_deleted_consumer_is_reported(self, tested: NatsTestQueue) -> None:
        async with tested.broker().connect(2) as queue:
            await tested.js.delete_consumer(tested.name, "group")

            await assert_lost(queue)

    async def test_restarts_under_load_lose_nothing(
        self, server: OwnServer, tested: NatsTestQueue
    ) -> None:
        await tested.publish(numbered(300))

        async def restart() -> None:
            await server.stop()
            await server.start()

        await consume_all(lambda: tested.broker(patience=1), 300, disturb=restart)

    @pytest.mark.thorough
    async def test_frozen_broker_is_noticed(self, server: OwnServer, tested: NatsTestQueue) -> None:
        async with tested.broker().connect(50) as queue:
            with server.frozen():
                await assert_lost(queue)
