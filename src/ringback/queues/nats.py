"""Streams of NATS JetStream, read by a durable pull consumer."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy
from nats.js.errors import NotFoundError

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
    to_headers,
)

_ERRORS: Final = (Error, ValueError)

_ACK_WAIT: Final = 30.0
"""Seconds until what a dead process has is redelivered, if Ringback creates the consumer."""

_UNLIMITED: Final = -1

_EXPIRES: Final = 1
"""Seconds after which the server ends a request for messages that it cannot fill."""

_LONGEST_SILENCE: Final = 10
"""Seconds without a message or the end of a request, after which the connection is lost.

A server that is asked while the consumer is deleted may never answer (nats-server 2.9).
"""

_EMPTY: Final = frozenset({"404", "408"})
"""How the server ends a request that it cannot fill."""


class _Client(Client):
    async def _process_headers(self, headers: Any) -> dict[str, str] | None:
        try:
            found: dict[str, str] | None = await super()._process_headers(headers)
        except (LookupError, ValueError):
            # A publisher's bytes would end the connection, and the message would come again.
            return None
        return found


class NatsBroker:
    """A NATS server with a stream that exists."""

    def __init__(
        self,
        url: str,
        name: str,
        group: str,
        *,
        heartbeat: int = HEARTBEAT,
        ack_wait: float = _ACK_WAIT,
    ) -> None:
        """Read the stream `name` as the durable consumer `group`, of the server at `url`.

        If the consumer does not exist, it is created, and reads the stream from its beginning.
        Expect a sign of life every `heartbeat` seconds.
        """
        self._servers = url.split(",")
        self._stream = name
        self._group = group
        self._heartbeat = heartbeat
        self._ack_wait = ack_wait
        self._place = QueueAddress("NATS", url, f"stream {name!r}")

    def connect(self, prefetch: int) -> AbstractAsyncContextManager["NatsQueue"]:
        return self._connect(prefetch)

    @asynccontextmanager
    async def _connect(self, prefetch: int) -> AsyncIterator["NatsQueue"]:
        client = _Client()
        queue = NatsQueue(client, self._place, prefetch)
        try:
            async with self._place.reached(*_ERRORS):
                await self._sign_in(client, queue)
                consumer = await self._find_or_create(client)
                await queue.open(self._stream, self._group)
            queue.ack_wait = _ack_wait(consumer.config)
            try:
                async with run_services(queue):
                    yield queue
            finally:
                await queue.give_back()
        finally:
            await close(client.close(), *_ERRORS)

    async def _sign_in(self, client: Client, queue: "NatsQueue") -> None:
        await client.connect(
            self._servers,
            allow_reconnect=False,
            connect_timeout=int(TIMEOUT),
            ping_interval=self._heartbeat,
            max_outstanding_pings=2,
            error_cb=queue.on_error,
            closed_cb=queue.on_closed,
        )

    async def _find_or_create(self, client: Client) -> ConsumerInfo:
        js = client.jetstream(timeout=TIMEOUT)
        try:
            await js.stream_info(self._stream)
        except NotFoundError:
            advice = f"add it with `nats stream add {self._stream}`, or correct its name"
            reason = f"there is no such stream; {advice}"
            raise self._place.error(reason) from None
        try:
            consumer: ConsumerInfo = await js.consumer_info(self._stream, self._group)
        except NotFoundError:
            consumer = await js.add_consumer(self._stream, self._new_consumer())
        if consumer.config.ack_policy != AckPolicy.EXPLICIT or consumer.config.deliver_subject:
            reason = (
                f"its consumer {self._group!r} must be a pull consumer with the ack policy"
                " explicit; delete it, or set another group"
            )
            raise self._place.error(reason)
        return consumer

    def _new_consumer(self) -> ConsumerConfig:
        return ConsumerConfig(
            durable_name=self._group,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self._ack_wait,
            # Each process limits what it has.
            max_ack_pending=_UNLIMITED,
        )


def _ack_wait(config: ConsumerConfig) -> float:
    return min([config.ack_wait or _ACK_WAIT, *(config.backoff or [])])


class NatsQueue:
    """Requests messages as long as fewer than `prefetch` are unacknowledged."""

    def __init__(self, client: Client, place: QueueAddress, prefetch: int) -> None:
        """Read with `client`."""
        self.ack_wait = _ACK_WAIT
        self._client = client
        self._place = place
        self._prefetch = prefetch
        self._buffer = Buffer()
        self._replies: dict[int, str] = {}
        self._requested = 0
        self._heard_at = 0.0
        self._reason: object = "the connection is closed"
        self._next = ""
        self._inbox = ""
        self._is_ending = False
        self._changed = asyncio.Event()

    async def open(self, stream: str, group: str) -> None:
        """Begin to request messages."""
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{group}"
        self._inbox = self._client.new_inbox()
        await self._client.subscribe(
            self._inbox, cb=self._on_message, pending_msgs_limit=0, pending_bytes_limit=0
        )
        await self._request()

    async def run(self) -> None:
        """Keep what is unacknowledged from being redelivered, until canceled."""
        try:
            while True:
                await asyncio.sleep(min(self.ack_wait / 3, _LONGEST_SILENCE / 4))
                async with self._place.reached(*_ERRORS):
                    await self._send_all(Msg.Ack.Progress)
                if self._requested and monotonic_seconds() - self._heard_at > _LONGEST_SILENCE:
                    # Nothing is to be given back to it, either.
                    self._requested = 0
                    reason = f"no sign of life for {_LONGEST_SILENCE} seconds"
                    raise self._place.error(reason)
        except QueueUnavailableError as exc:
            self._buffer.fail(exc)

    async def receive(self, limit: int) -> Sequence[QueueMessage]:
        return await self._buffer.take(limit)

    async def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        self._buffer.check()
        replies = [self._replies.pop(one.receipt, None) for one in messages]
        async with self._place.reached(*_ERRORS):
            for reply in filter(None, replies):
                await self._client.publish(reply)
            await self._request()
            # The server has all of them when it answers.
            await self._client.flush(timeout=int(TIMEOUT))

    async def give_back(self) -> None:
        """Let the server redeliver at once what is unacknowledged."""
        if self._client.is_connected and self._inbox:
            await close(self._give_back(), *_ERRORS)

    async def on_error(self, error: Exception) -> None:
        """Remember why the connection will be closed."""
        self._reason = error

    async def on_closed(self) -> None:
        """End: a new connection is necessary."""
        self._buffer.fail(self._place.error(self._reason))

    async def _give_back(self) -> None:
        # A request whose sender is gone would swallow the first message (nats-server 2.9).
        self._is_ending = True
        while self._requested:
            self._changed.clear()
            await self._changed.wait()
        await self._send_all(Msg.Ack.Nak)
        await self._client.flush(timeout=int(TIMEOUT))

    async def _send_all(self, kind: bytes) -> None:
        for reply in list(self._replies.values()):
            await self._client.publish(reply, kind)

    async def _request(self) -> None:
        wanted = self._prefetch - len(self._replies)
        if self._requested or self._is_ending or wanted <= 0:
            return
        self._requested = wanted
        self._heard_at = monotonic_seconds()
        request = {"batch": wanted, "expires": _EXPIRES * 10**9}
        await self._client.publish(self._next, json.dumps(request).encode(), self._inbox)

    async def _on_message(self, message: Msg) -> None:
        self._heard_at = monotonic_seconds()
        if message.reply:
            self._on_delivery(message)
        else:
            self._on_status(message.headers or {})
        if not self._requested:
            self._changed.set()
            async with self._place.reached(*_ERRORS):
                await self._request()

    def _on_delivery(self, message: Msg) -> None:
        self._requested = max(0, self._requested - 1)
        sequence = message.metadata.sequence.stream
        is_known = sequence in self._replies
        self._replies[sequence] = message.reply
        if is_known:
            # It was redelivered while it is still here: it was kept too late.
            return
        headers = to_headers((message.headers or {}).items())
        key = headers.get("nats-msg-id") or f"{message.metadata.stream}:{sequence}"
        self._buffer.put(QueueMessage(message.data, headers, key, sequence))

    def _on_status(self, headers: dict[str, str]) -> None:
        self._requested = 0
        status = headers.get("Status")
        if status not in _EMPTY:
            self._is_ending = True
            reason = f"the server ended the request: {status} {headers.get('Description', '')}"
            self._buffer.fail(self._place.error(reason))
