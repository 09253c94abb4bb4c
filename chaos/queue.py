"""A consumer of messages that answers by messages: Ringback reads them from NATS JetStream."""

import asyncio
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

import nats
from nats.aio.client import Client
from nats.errors import Error
from nats.js.api import StreamConfig
from nats.js.errors import APIError

from chaos.plan import Sending
from chaos.programs import NotReadyError, Recipe
from chaos.senders import Reply, Sent

NATS: Final = "nats"
"""The name of the program."""

QUEUE: Final = "answers"
"""The name of the stream, and of the queue in the configuration."""

VALUE: Final = "x-value"
"""The header that names the answer, for the judge: a dead letter keeps it."""

_GROUP: Final = "ringback"
_TIMEOUT_SECONDS: Final = 4
_AGAIN_SECONDS: Final = (0.2, 1.0)
_HANG_UP_SECONDS: Final = 0.02

_QUEUE_TABLE: Final = """
[queues.{queue}]
url = "{url}"
stream = "{queue}"
headers = ["{header}"]
"""


def queue_table(port: int) -> str:
    """Return the configuration of the queue."""
    return _QUEUE_TABLE.format(queue=QUEUE, url=_url(port), header=VALUE)


def nats_recipe(folder: Path, port: int, environment: Mapping[str, str]) -> Recipe:
    """Return how to run the broker; it is ready once it has the stream.

    Raises:
        NotReadyError: It is not installed.
    """
    binary = shutil.which("nats-server", path=f"{os.environ['PATH']}:/usr/sbin")
    if binary is None:
        msg = "the modes of queues need the program nats-server: apt-get install nats-server"
        raise NotReadyError(msg)

    async def is_ready() -> bool:
        try:
            client = await _connect(port, allow_reconnect=False)
        except (Error, OSError):
            return False
        try:
            # The same stream again changes nothing.
            await client.jetstream().add_stream(StreamConfig(name=QUEUE, subjects=[QUEUE]))
        except (Error, APIError):
            return False
        else:
            return True
        finally:
            await client.close()

    words = [binary, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder / "nats")]
    return Recipe(NATS, words, environment, folder, is_ready)


class Publisher:
    """Publishes answers until the broker confirms them."""

    def __init__(self, port: int) -> None:
        """Publish to the broker on `port`."""
        self._port = port
        self._client: Client | None = None
        self._opening = asyncio.Lock()

    async def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            with suppress(Error, OSError, TimeoutError):
                async with asyncio.timeout(_TIMEOUT_SECONDS):
                    await self._client.close()

    async def send(self, sent: Sent, sending: Sending, *, link: str, random: Random) -> None:
        """Publish the answer until it is confirmed, and add the reply to `sent`."""
        sent.open += 1
        await asyncio.sleep(sending.after)
        if sending.hangs_up:
            await self._try(sent, link, seconds=_HANG_UP_SECONDS)
        while True:
            if await self._try(sent, link, seconds=_TIMEOUT_SECONDS):
                break
            await asyncio.sleep(random.uniform(*_AGAIN_SECONDS))
        sent.replies.append(Reply(200, None, None, is_duplicate=False))
        sent.open -= 1

    async def left(self) -> int:
        """Return how many messages no gateway has acknowledged; -1 if unknown."""
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                client = await self._opened()
                info = await client.jetstream().consumer_info(QUEUE, _GROUP)
        except (Error, APIError, OSError, TimeoutError):
            return -1
        return (info.num_pending or 0) + (info.num_ack_pending or 0)

    async def _try(self, sent: Sent, link: str, *, seconds: float) -> bool:
        headers = {
            "ringback-link": link,
            "ringback-action": sent.answer.verb,
            VALUE: sent.answer.value,
        }
        try:
            async with asyncio.timeout(seconds):
                client = await self._opened()
                body = json.dumps(sent.answer.body).encode()
                await client.jetstream().publish(QUEUE, body, headers=headers)
        except (Error, APIError, OSError, TimeoutError):
            return False
        return True

    async def _opened(self) -> Client:
        async with self._opening:
            if self._client is None:
                self._client = await _connect(self._port, allow_reconnect=True)
            return self._client


async def _connect(port: int, *, allow_reconnect: bool) -> Client:
    async def ignore(_: Exception) -> None:
        """The caller gets it, too."""

    return await nats.connect(
        _url(port),
        allow_reconnect=allow_reconnect,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.2,
        connect_timeout=1,
        error_cb=ignore,
    )


def _url(port: int) -> str:
    return f"nats://127.0.0.1:{port}"
