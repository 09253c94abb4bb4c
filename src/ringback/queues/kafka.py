"""Topics of Kafka, read by a consumer group."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaConnectionError, KafkaError
from aiokafka.helpers import create_ssl_context

from ringback.core.services import run_services
from ringback.domain.errors import QueueUnavailableError
from ringback.ports.queue import QueueMessage
from ringback.queues.drivers import (
    HEARTBEAT,
    TIMEOUT,
    Buffer,
    QueueAddress,
    close,
    run_until_one_ends,
    to_headers,
)

_ERRORS: Final = (KafkaError, ValueError)

_MOST_READ: Final = 256
"""Maximum records that one poll returns."""

_POLL: Final = 1.0
"""Seconds that a poll waits for records."""

_REBALANCE: Final = 120.0
"""Seconds that joining the group may take."""

_SESSION: Final = 10.0
"""Seconds without a heartbeat after which others get the partitions of a dead process."""

_WINDOW: Final = 10
"""How many times `prefetch` a position may stay behind what is acknowledged after it."""

_NEVER_IDLE: Final = 24 * 3600 * 1000
"""Milliseconds without a poll after which the driver would leave the group.

A process that cannot store polls nothing, but keeps its partitions: the driver's heartbeats show
that it lives, and the check of the connection that the broker does.
"""


class KafkaBroker:
    """A Kafka cluster with a topic that exists."""

    def __init__(
        self,
        url: str,
        name: str,
        group: str,
        *,
        heartbeat: float = HEARTBEAT,
        session: float = _SESSION,
    ) -> None:
        """Read the topic `name` as the consumer group `group`, of the cluster at `url`.

        The URL is `kafka://host:port,host:port`, or `kafkas://` with TLS. Before the first host may
        be `user:password@`, and at the end `?mechanism=SCRAM-SHA-512`; without it, it is PLAIN. A
        group that has no position reads the topic from its beginning. Expect a reply of the broker
        every `heartbeat` seconds. If this process dies, others get its partitions after `session`
        seconds.
        """
        self._url = url
        self._topic = name
        self._group = group
        self._heartbeat = heartbeat
        self._session = session
        self._place = QueueAddress("Kafka", url, f"topic {name!r}")

    def connect(self, prefetch: int) -> AbstractAsyncContextManager["KafkaQueue"]:
        return self._connect(prefetch)

    @asynccontextmanager
    async def _connect(self, prefetch: int) -> AsyncIterator["KafkaQueue"]:
        async with self._place.reached(*_ERRORS):
            consumer = self._new_consumer()
        queue = KafkaQueue(consumer, self._place, prefetch=prefetch, heartbeat=self._heartbeat)
        try:
            async with self._place.reached(*_ERRORS):
                await self._sign_in(consumer)
                if self._topic not in await consumer.topics():
                    raise self._place.error(_MISSING)
            queue.subscribe(self._topic)
            async with run_services(queue):
                yield queue
        finally:
            await close(consumer.stop(), *_ERRORS)

    async def _sign_in(self, consumer: Any) -> None:
        try:
            await consumer.start()
        except KafkaConnectionError:
            # The driver says why in its log only.
            raise self._place.error(_NOT_SIGNED_IN) from None

    def _new_consumer(self) -> Any:
        return AIOKafkaConsumer(
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_poll_interval_ms=_NEVER_IDLE,
            session_timeout_ms=int(self._session * 1000),
            heartbeat_interval_ms=int(self._session * 1000 / 3),
            request_timeout_ms=int(TIMEOUT * 1000),
            **_options(self._url),
        )


_NOT_SIGNED_IN: Final = (
    "no broker could be reached and signed in to; check its address, the user, the password and the"
    " mechanism (aiokafka has logged what each broker replied)"
)

_MISSING: Final = (
    "there is no such topic; create it with `kafka-topics.sh --create`, or correct its name"
)


def _options(url: str) -> dict[str, Any]:
    """Return the options of the driver for a URL."""
    parts = urlsplit(url)
    hosts = parts.netloc.rpartition("@")[2]
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    is_tls = parts.scheme == "kafkas"
    options: dict[str, Any] = {"bootstrap_servers": hosts.split(",")}
    if is_tls:
        options["ssl_context"] = create_ssl_context()
    if user:
        options["sasl_mechanism"] = parse_qs(parts.query).get("mechanism", ["PLAIN"])[0]
        options["sasl_plain_username"] = unquote(user)
        options["sasl_plain_password"] = unquote(password)
    protocol = "SSL" if is_tls else "PLAINTEXT"
    options["security_protocol"] = f"SASL_{protocol}" if user else protocol
    return options


class _Position:
    """What of a partition was read and is not committed, in its order."""

    def __init__(self) -> None:
        self._is_done: dict[int, bool] = {}
        self.unacknowledged = 0

    def __len__(self) -> int:
        return len(self._is_done)

    def add(self, offset: int) -> None:
        self._is_done[offset] = False
        self.unacknowledged += 1

    def acknowledge(self, offset: int) -> int | None:
        """Return the new position, unless an earlier record is unacknowledged."""
        if self._is_done.get(offset, True):
            return None
        self._is_done[offset] = True
        self.unacknowledged -= 1
        position = None
        for first in list(self._is_done):
            if not self._is_done[first]:
                break
            del self._is_done[first]
            position = first + 1
        return position


class KafkaQueue(ConsumerRebalanceListener):
    """Reads as long as fewer than `prefetch` records are unacknowledged."""

    def __init__(
        self, consumer: Any, place: QueueAddress, *, prefetch: int, heartbeat: float
    ) -> None:
        """Read with `consumer`."""
        self._consumer = consumer
        self._place = place
        self._prefetch = prefetch
        self._heartbeat = heartbeat
        self._buffer = Buffer()
        self._positions: dict[TopicPartition, _Position] = {}
        self._has_room = asyncio.Event()
        self._topic = ""

    def subscribe(self, topic: str) -> None:
        """Join the group."""
        self._topic = topic
        self._consumer.subscribe([topic], listener=self)

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Forget all: who gets a partition reads it from its committed position."""
        del revoked
        self._positions.clear()
        self._buffer.clear()
        self._has_room.set()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Begin to read these partitions."""
        self._positions = {partition: _Position() for partition in assigned}
        self._has_room.set()

    async def run(self) -> None:
        """Read until canceled or until the connection is lost."""
        await run_until_one_ends(self._read(), self._check())

    async def receive(self, limit: int) -> Sequence[QueueMessage]:
        return await self._buffer.take(limit)

    async def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        self._buffer.check()
        positions: dict[TopicPartition, int] = {}
        for message in messages:
            partition, position, offset = message.receipt
            # Another position: the partition was taken away meanwhile, and perhaps came back.
            if self._positions.get(partition) is position is not None:
                committable = position.acknowledge(offset)
                if committable is not None:
                    positions[partition] = committable
        self._has_room.set()
        if positions:
            await self._commit(positions)

    async def _commit(self, positions: dict[TopicPartition, int]) -> None:
        async with self._place.reached(*_ERRORS):
            try:
                await self._consumer.commit(positions)
            except (CommitFailedError, IllegalStateError):
                # The partition was taken away; its records come again, here or elsewhere.
                return

    async def _read(self) -> None:
        try:
            while True:
                room = await self._room()
                # It also waits until the group has agreed on who reads what.
                async with self._place.reached(*_ERRORS, seconds=_REBALANCE):
                    found = await self._consumer.getmany(
                        timeout_ms=int(_POLL * 1000), max_records=room
                    )
                for partition, records in found.items():
                    self._put(partition, records)
        except QueueUnavailableError as exc:
            self._buffer.fail(exc)

    async def _check(self) -> None:
        """End if the broker is away: the driver alone would connect again for ever."""
        partition = TopicPartition(self._topic, 0)
        try:
            while True:
                await asyncio.sleep(self._heartbeat)
                async with self._place.reached(*_ERRORS):
                    await self._consumer.end_offsets([partition])
        except QueueUnavailableError as exc:
            self._buffer.fail(exc)

    async def _room(self) -> int:
        while True:
            unacknowledged = sum(one.unacknowledged for one in self._positions.values())
            behind = sum(len(one) for one in self._positions.values())
            if unacknowledged < self._prefetch and behind < _WINDOW * self._prefetch:
                return min(_MOST_READ, self._prefetch - unacknowledged)
            self._has_room.clear()
            await self._has_room.wait()

    def _put(self, partition: TopicPartition, records: Sequence[Any]) -> None:
        position = self._positions.get(partition)
        if position is None:
            return
        for record in records:
            position.add(record.offset)
            self._buffer.put(
                QueueMessage(
                    body=record.value or b"",
                    headers=to_headers(record.headers),
                    key=f"{record.topic}/{record.partition}/{record.offset}",
                    receipt=(partition, position, record.offset),
                )
            )
