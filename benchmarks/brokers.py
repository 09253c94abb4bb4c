"""A broker: a NATS server of the run's own, with a stream full of answers."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import nats
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.api import StreamConfig
from nats.js.errors import APIError

from benchmarks.programs import MissingToolError, running
from ringback.app.web import free_ports

STREAM: Final = "answers"

_AT_ONCE: Final = 500
_LOOK_EVERY_SECONDS: Final = 0.02
_LONGEST_SECONDS: Final = 120


class NotConsumedError(Exception):
    """Messages are left, although there was time enough."""


@dataclass(frozen=True, slots=True)
class Broker:
    """A stream of a running server.

    Attributes:
        url: Where the server is.
        total: The number of messages in the stream.
    """

    url: str
    total: int
    _stream: JetStreamContext

    async def consumed(self, durable: str) -> tuple[float, int]:
        """Wait until all messages are acknowledged; return the seconds and the messages of them.

        What was acknowledged before the first look is not counted.

        Raises:
            NotConsumedError: It takes too long.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _LONGEST_SECONDS
        began_at, before = 0.0, 0
        while loop.time() < give_up_at:
            done, now = await self._acknowledged(durable), loop.time()
            if not began_at and done:
                began_at, before = now, done
            if done == self.total:
                return now - began_at, done - before
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        msg = f"{durable} has acknowledged {done} of {self.total} messages"
        raise NotConsumedError(msg)

    async def _acknowledged(self, durable: str) -> int:
        try:
            info = await self._stream.consumer_info(STREAM, durable)
        except APIError:
            return 0
        return self.total - (info.num_pending or 0) - (info.num_ack_pending or 0)


async def _ignore(_: Exception) -> None:
    """The caller gets it, too."""


@asynccontextmanager
async def broker(
    folder: Path, messages: Sequence[tuple[dict[str, str], bytes]]
) -> AsyncIterator[Broker]:
    """Run a server for the block, with these headers and bodies in its stream.

    Raises:
        MissingToolError: It is not installed.
    """
    binary = shutil.which("nats-server", path=f"{os.environ['PATH']}:/usr/sbin")
    if binary is None:
        msg = "nats-server is missing; install it with: apt-get install nats-server"
        raise MissingToolError(msg)
    (port,) = free_ports(1)
    words = [binary, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder)]
    url = f"nats://127.0.0.1:{port}"
    async with running(words, cwd=folder) as program:

        async def is_up() -> bool:
            try:
                await (await nats.connect(url, allow_reconnect=False, error_cb=_ignore)).close()
            except (Error, OSError):
                return False
            return True

        await program.until(is_up)
        client = await nats.connect(url)
        try:
            stream = client.jetstream(timeout=30)
            await stream.add_stream(StreamConfig(name=STREAM, subjects=[STREAM]))
            for first in range(0, len(messages), _AT_ONCE):
                await asyncio.gather(
                    *(
                        stream.publish(STREAM, body, headers=headers)
                        for headers, body in messages[first : first + _AT_ONCE]
                    )
                )
            yield Broker(url, len(messages), stream)
        finally:
            await client.close()
