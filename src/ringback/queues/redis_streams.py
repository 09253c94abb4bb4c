"""Streams of Redis, read by a consumer group."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final
from uuid import uuid4

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from ringback.core.services import run_services
from ringback.domain.errors import QueueUnavailableError
from ringback.ports.queue import QueueMessage
from ringback.queues.drivers import (
    HEARTBEAT,
    TIMEOUT,
    Buffer,
    QueueAddress,
    close,
    monotonic_seconds,
    run_until_one_ends,
    to_headers,
)

_ERRORS: Final = (RedisError, ValueError)

_MIN_IDLE: Final = 60.0
"""Seconds after which another consumer claims what a dead one has."""

_BODY: Final = b"body"

_MOST_READ: Final = 256
"""Maximum entries that one command reads."""

_BLOCK: Final = 2.0
"""Seconds that the server waits for an entry."""

_PREFIX: Final = "ringback-"
"""What the name of each consumer begins with."""

_LONG_DEAD: Final = 3600
"""Seconds after which a consumer of a dead process is deleted, if it has nothing."""

# Without this it would delete what the consumer got meanwhile, and so lose it.
_DELETE_IF_EMPTY: Final = """
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) == 0 then
  redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
end
"""


class RedisBroker:
    """A Redis server with a stream that exists.

    An entry's field `body` is a message's body, and the other fields are its headers.
    """

    def __init__(self, url: str, name: str, group: str, *, min_idle: float = _MIN_IDLE) -> None:
        """Read the stream `name` as the consumer group `group`, of the server at `url`.

        If the group does not exist, it is created, and reads the stream from its beginning. It
        gets what other consumers have had for `min_idle` seconds without a sign of life. Each
        object is one consumer, which has one connection at a time.
        """
        self._url = url
        self._stream = name
        self._group = group
        self._consumer = f"{_PREFIX}{uuid4()}"
        self._min_idle = min_idle
        self._place = QueueAddress("Redis", url, f"stream {name!r}")

    def connect(self, prefetch: int) -> AbstractAsyncContextManager["RedisQueue"]:
        return self._connect(prefetch)

    @asynccontextmanager
    async def _connect(self, prefetch: int) -> AsyncIterator["RedisQueue"]:
        async with self._place.reached(*_ERRORS):
            client = Redis.from_url(
                self._url,
                protocol=2,
                socket_timeout=None,
                # A command that is sent again by the driver would hide that the connection is lost.
                retry=Retry(NoBackoff(), 0),
            )
        group = _Group(client, (self._stream, self._group), self._consumer)
        queue = RedisQueue(group, self._place, prefetch=prefetch, min_idle=self._min_idle)
        try:
            async with self._place.reached(*_ERRORS):
                await self._create(client)
                await group.delete_dead_consumers()
            try:
                async with run_services(queue):
                    yield queue
            finally:
                await close(queue.give_back(), *_ERRORS)
        finally:
            await close(client.aclose(), *_ERRORS)

    async def _create(self, client: Redis) -> None:
        try:
            await client.xgroup_create(self._stream, self._group, id="0")
        except ResponseError as exc:
            if "BUSYGROUP" in str(exc):
                return
            if "requires the key to exist" not in str(exc):
                raise
            advice = (
                f"add an entry, or run `XGROUP CREATE {self._stream} {self._group} 0 MKSTREAM`, or"
                " correct its name"
            )
            reason = f"there is no such stream; {advice}"
            raise self._place.error(reason) from None


class _Group:
    """Commands on one stream by one consumer of a group."""

    def __init__(self, client: Redis, key: tuple[str, str], consumer: str) -> None:
        self._client = client
        self._key = key
        self._consumer = consumer

    async def read(self, after: str, count: int, *, block: float | None) -> list[Any]:
        """Return entries: new ones after `>`, else those that this consumer already has."""
        stream, group = self._key
        milliseconds = None if block is None else max(1, int(block * 1000))
        found: Any = await self._client.xreadgroup(
            group, self._consumer, {stream: after}, count=count, block=milliseconds
        )
        return list(found[0][1]) if found else []

    async def claim_idle(self, after: str, count: int, *, min_idle: float) -> tuple[str, list[Any]]:
        """Take entries over; return where to continue, and them."""
        found = await self._client.xautoclaim(
            *self._key, self._consumer, int(min_idle * 1000), after, count=count
        )
        return _text(found[0]), list(found[1])

    async def set_idle(self, ids: Sequence[str], *, seconds: float) -> None:
        """Say how long ago this consumer gave a sign of life about these entries."""
        if ids:
            milliseconds = int(seconds * 1000)
            await self._client.xclaim(
                *self._key, self._consumer, 0, list(ids), idle=milliseconds, justid=True
            )

    async def acknowledge(self, ids: Sequence[str]) -> None:
        if ids:
            await self._client.xack(*self._key, *ids)

    async def delete_consumer(self, name: str | None = None) -> None:
        """Delete this consumer, or the one with this name, if it has no entries."""
        stream, group = self._key
        await self._client.eval(_DELETE_IF_EMPTY, 1, stream, group, name or self._consumer)

    async def delete_dead_consumers(self) -> None:
        """Delete what killed processes have left, once others have claimed their entries."""
        for one in await self._client.xinfo_consumers(*self._key):
            name = _text(one["name"])
            if name.startswith(_PREFIX) and one["idle"] > _LONG_DEAD * 1000 and not one["pending"]:
                await self.delete_consumer(name)


class RedisQueue:
    """Reads as long as fewer than `prefetch` entries are unacknowledged."""

    def __init__(
        self, group: _Group, place: QueueAddress, *, prefetch: int, min_idle: float
    ) -> None:
        """Read as a consumer of `group`."""
        self._group = group
        self._place = place
        self._prefetch = prefetch
        self._min_idle = min_idle
        self._buffer = Buffer()
        self._unacknowledged: dict[str, None] = {}
        self._has_room = asyncio.Event()

    async def run(self) -> None:
        """Read until canceled or until the connection is lost."""
        await run_until_one_ends(self._end_with(self._read), self._end_with(self._keep))

    async def receive(self, limit: int) -> Sequence[QueueMessage]:
        return await self._buffer.take(limit)

    async def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        self._buffer.check()
        ids = [one.receipt for one in messages]
        async with self._place.reached(*_ERRORS):
            await self._group.acknowledge(ids)
        for entry_id in ids:
            self._unacknowledged.pop(entry_id, None)
        self._has_room.set()

    async def give_back(self) -> None:
        """Let others claim at once what is unacknowledged; else delete the consumer."""
        await self._group.set_idle(list(self._unacknowledged), seconds=self._min_idle)
        await self._group.delete_consumer()

    async def _end_with(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except QueueUnavailableError as exc:
            self._buffer.fail(exc)

    async def _read(self) -> None:
        await self._read_own()
        block = min(_BLOCK, self._min_idle / 2)
        claimed_at = None
        while True:
            room = await self._room()
            if claimed_at is None or monotonic_seconds() - claimed_at >= block:
                await self._claim(room)
                claimed_at = monotonic_seconds()
                continue
            async with self._place.reached(*_ERRORS, seconds=TIMEOUT + block):
                self._put(await self._group.read(">", room, block=block))

    async def _read_own(self) -> None:
        """Read what this consumer had when its last connection ended."""
        after = "0"
        while True:
            room = await self._room()
            async with self._place.reached(*_ERRORS):
                entries = await self._group.read(after, room, block=None)
            if not entries:
                return
            after = _text(entries[-1][0])
            await self._put_or_forget(entries)

    async def _claim(self, room: int) -> None:
        after = "0-0"
        while room > 0:
            async with self._place.reached(*_ERRORS):
                after, entries = await self._group.claim_idle(after, room, min_idle=self._min_idle)
            await self._put_or_forget(entries)
            room = min(_MOST_READ, self._prefetch - len(self._unacknowledged))
            if after == "0-0":
                return

    async def _keep(self) -> None:
        """Keep others from claiming what is unacknowledged here."""
        while True:
            # It also notices a lost connection while there is no room to read.
            await asyncio.sleep(min(self._min_idle / 3, HEARTBEAT))
            async with self._place.reached(*_ERRORS):
                await self._group.set_idle(list(self._unacknowledged), seconds=0)

    async def _room(self) -> int:
        while len(self._unacknowledged) >= self._prefetch:
            self._has_room.clear()
            await self._has_room.wait()
        return min(_MOST_READ, self._prefetch - len(self._unacknowledged))

    async def _put_or_forget(self, entries: Iterable[Any]) -> None:
        """Put the entries that still exist; a trimmed stream has no others to give."""
        found = list(entries)
        gone = [_text(entry_id) for entry_id, fields in found if not fields]
        async with self._place.reached(*_ERRORS):
            await self._group.acknowledge(gone)
        self._put((entry_id, fields) for entry_id, fields in found if fields)

    def _put(self, entries: Iterable[Any]) -> None:
        for raw_id, fields in entries:
            entry_id = _text(raw_id)
            if entry_id in self._unacknowledged:
                continue
            self._unacknowledged[entry_id] = None
            body = fields.get(_BODY, b"")
            headers = to_headers((key, one) for key, one in fields.items() if key != _BODY)
            self._buffer.put(QueueMessage(body, headers, entry_id, entry_id))


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
