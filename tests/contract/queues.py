"""The contract of every broker's adapter."""

import asyncio
import os
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import pytest

from ringback.domain.errors import QueueUnavailableError
from ringback.ports.queue import Broker, Queue, QueueMessage
from tests.acceptance.programs import program
from tests.polling import pause

NOT_FOR_EVER = 40
PASSWORD = "geheim"  # noqa: S105 - it is wrong


class TestedQueue(Protocol):
    """A queue that one test has for itself."""

    def broker(self, *, patience: float | None = None) -> Broker:
        """Return an adapter; what a dead consumer has comes again after `patience` seconds."""

    def missing_queue(self) -> Broker: ...

    def wrong_password(self) -> Broker:
        """Return an adapter whose password is `PASSWORD`, which is wrong."""

    def program(self) -> tuple[str, str, str]:
        """Return module, class and options in JSON of the adapter for another process."""

    async def publish(
        self, bodies: Sequence[bytes], headers: Mapping[str, str | bytes] | None = None
    ) -> None: ...


def numbered(count: int, first: int = 0) -> list[bytes]:
    return [b"%d" % number for number in range(first, first + count)]


async def take(queue: Queue, count: int) -> list[QueueMessage]:
    """Receive exactly `count` messages."""
    messages: list[QueueMessage] = []
    async with asyncio.timeout(NOT_FOR_EVER):
        while len(messages) < count:
            messages += await queue.receive(count - len(messages))
    return messages


async def is_silent(queue: Queue) -> bool:
    """Whether nothing more comes for a moment."""
    try:
        async with asyncio.timeout(0.5):
            await queue.receive(1)
    except TimeoutError:
        return True
    return False


def bodies(messages: Sequence[QueueMessage]) -> list[bytes]:
    return [message.body for message in messages]


async def rejected(broker: Broker) -> str:
    """Assert that the broker cannot be connected to; return the whole traceback."""
    async with asyncio.timeout(NOT_FOR_EVER):
        with pytest.raises(QueueUnavailableError) as caught:
            async with broker.connect(1):
                pass
    return "".join(traceback.format_exception(caught.value))


async def assert_lost(queue: Queue) -> None:
    """Assert that the queue reports soon that its connection is lost."""
    async with asyncio.timeout(NOT_FOR_EVER):
        while True:
            try:
                await queue.receive(1)
            except QueueUnavailableError:
                return


async def consume_all(
    connect: Callable[[], Broker], count: int, *, disturb: Callable[[], Awaitable[object]]
) -> None:
    """Receive all of the numbered messages, while three disturbances end the connection."""
    seen: set[bytes] = set()
    disturbances = 0
    async with asyncio.timeout(NOT_FOR_EVER):
        while len(seen) < count or disturbances < 3:
            try:
                async with connect().connect(50) as queue:
                    while len(seen) < count:
                        messages = await queue.receive(10)
                        if disturbances < 3 and len(seen) >= disturbances * count / 3:
                            disturbances += 1
                            await disturb()
                        # It may be acknowledged although an error says that it may not be.
                        seen |= set(bodies(messages))
                        await queue.acknowledge(messages)
            except QueueUnavailableError:
                await pause()
    assert seen == set(numbered(count))


class QueueContract:
    async def test_messages_arrive_in_order_each_with_a_key_of_its_own(
        self, tested: TestedQueue
    ) -> None:
        await tested.publish(numbered(30))

        async with tested.broker().connect(100) as queue:
            messages = await take(queue, 30)
            await queue.acknowledge(messages)

        assert bodies(messages) == numbered(30)
        assert len({message.key for message in messages}) == 30

    async def test_message_published_later_arrives(self, tested: TestedQueue) -> None:
        async with tested.broker().connect(10) as queue:
            assert await is_silent(queue)
            await tested.publish([b"late"])

            assert bodies(await take(queue, 1)) == [b"late"]

    async def test_no_more_than_prefetch_are_unacknowledged(self, tested: TestedQueue) -> None:
        await tested.publish(numbered(10))

        async with tested.broker().connect(3) as queue:
            first = await take(queue, 3)
            assert await is_silent(queue)
            await queue.acknowledge(first[:1])
            (fourth,) = await take(queue, 1)
            assert await is_silent(queue)
            await queue.acknowledge([*first[1:], fourth])

            assert bodies(await take(queue, 3)) == [b"4", b"5", b"6"]

    async def test_unacknowledged_comes_again_with_its_key_and_acknowledged_never(
        self, tested: TestedQueue
    ) -> None:
        await tested.publish(numbered(6))
        broker = tested.broker()
        async with broker.connect(10) as queue:
            messages = await take(queue, 6)
            await queue.acknowledge(messages[:3])

        async with broker.connect(10) as queue:
            again = await take(queue, 3)
            await queue.acknowledge(again)
        async with broker.connect(10) as queue:
            assert await is_silent(queue)

        keys = {message.body: message.key for message in messages}
        assert sorted(bodies(again)) == numbered(3, first=3)
        assert all(keys[message.body] == message.key for message in again)

    async def test_unacknowledged_goes_to_another_consumer_at_once(
        self, tested: TestedQueue
    ) -> None:
        await tested.publish(numbered(3))
        async with tested.broker().connect(10) as queue:
            await take(queue, 3)

        async with tested.broker().connect(10) as other:
            again = await take(other, 3)
            await other.acknowledge(again)

        assert sorted(bodies(again)) == numbered(3)

    async def test_acknowledging_in_reverse_order_loses_nothing(self, tested: TestedQueue) -> None:
        await tested.publish(numbered(9))
        broker = tested.broker()

        async with broker.connect(10) as queue:
            messages = await take(queue, 9)
            for message in reversed(messages[3:]):
                await queue.acknowledge([message])
        async with broker.connect(10) as queue:
            again = await take(queue, 3)
            # Only a log's position, as in Kafka, brings back what came after.
            rest = [] if await is_silent(queue) else await take(queue, 5)
            await queue.acknowledge([*again, *rest])

        assert sorted(bodies(again)) == numbered(3)

    async def test_message_of_an_older_connection_acknowledges_no_other(
        self, tested: TestedQueue
    ) -> None:
        await tested.publish(numbered(2))
        broker = tested.broker()
        async with broker.connect(1) as queue:
            old = await take(queue, 1)
            await queue.acknowledge(old)
        async with broker.connect(1) as queue:
            await take(queue, 1)
            await queue.acknowledge(old)

        async with broker.connect(1) as queue:
            assert bodies(await take(queue, 1)) == [b"1"]

    async def test_acknowledging_twice_or_nothing_is_harmless(self, tested: TestedQueue) -> None:
        await tested.publish(numbered(3))

        async with tested.broker().connect(2) as queue:
            first = await take(queue, 1)
            await queue.acknowledge([])
            await queue.acknowledge(first)
            await queue.acknowledge(first)
            rest = await take(queue, 2)
            await queue.acknowledge(rest)

            assert bodies(rest) == [b"1", b"2"]

    async def test_two_consumers_share_a_queue(self, tested: TestedQueue) -> None:
        seen: list[bytes] = []

        async def consume() -> None:
            async with tested.broker().connect(5) as queue:
                while len(seen) < 60:
                    messages = await queue.receive(2)
                    await queue.acknowledge(messages)
                    seen.extend(bodies(messages))
                    if len(seen) >= 60:
                        everything.set()

        everything = asyncio.Event()
        tasks = [asyncio.ensure_future(consume()) for _ in range(2)]
        await tested.publish(numbered(60))
        async with asyncio.timeout(NOT_FOR_EVER):
            await everything.wait()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

        assert sorted(seen, key=int) == numbered(60)

    @pytest.mark.parametrize(
        "body",
        [b"", b"\xff\xfe\x00", b"x" * 2**20, b'{"a": 1}'],
        ids=["empty", "no text", "1 MiB", "JSON"],
    )
    async def test_body_arrives_as_it_is(self, tested: TestedQueue, body: bytes) -> None:
        await tested.publish([body])

        async with tested.broker().connect(1) as queue:
            (message,) = await take(queue, 1)
            await queue.acknowledge([message])

        assert message.body == body

    async def test_headers_with_text_arrive_by_lower_case_name(self, tested: TestedQueue) -> None:
        await tested.publish([b"1"], {"Callback": "cb_1", "mood": "\U0001f600 ä", "bad": b"\xff"})

        async with tested.broker().connect(1) as queue:
            (message,) = await take(queue, 1)

        assert message.headers["callback"] == "cb_1"
        assert message.headers["mood"] == "\U0001f600 ä"
        assert "bad" not in message.headers

    async def test_missing_queue_is_reported_with_advice(self, tested: TestedQueue) -> None:
        text = await rejected(tested.missing_queue())

        assert "there is no such" in text

    async def test_wrong_password_is_reported_without_it(self, tested: TestedQueue) -> None:
        text = await rejected(tested.wrong_password())

        assert "cannot read" in text
        assert PASSWORD not in text

    @pytest.mark.processes
    async def test_killed_consumer_loses_nothing(self, tested: TestedQueue) -> None:
        await tested.publish(numbered(30))
        words = [sys.executable, "-m", "tests.contract.queue_consumer_program", *tested.program()]
        async with program([*words, "10"], os.environ) as consumer:
            await consumer.line("held 29")
            await consumer.kill()
        done = {line.partition(" ")[2] for line in consumer.lines if line.startswith("done")}

        async with tested.broker(patience=1).connect(50) as queue:
            again = await take(queue, 20)
            await queue.acknowledge(again)

        assert done == {str(number) for number in range(10)}
        assert sorted(bodies(again), key=int) == numbered(20, first=10)
