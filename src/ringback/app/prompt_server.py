"""uvicorn's server, except that it stops without delay.

uvicorn checks ten times a second whether it should stop and whether clients have gone, so each stop
takes 0.2 s. This server waits for these events instead.
"""

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import uvicorn

from ringback.app.limited_http import LimitedConfig

logger = logging.getLogger(__name__)

_DATE_SECONDS: Final = 1
"""How often the `Date` header of replies is updated."""


class PromptServer(uvicorn.Server):
    """Serves until `stop` is called. It leaves signals to the program."""

    config: LimitedConfig

    def __init__(self, config: LimitedConfig) -> None:
        """Serve the application of `config`."""
        super().__init__(config)
        self._is_stopping = asyncio.Event()

    def stop(self) -> None:
        """Let `serve` return after the requests in progress."""
        self.should_exit = True
        self._is_stopping.set()

    async def main_loop(self) -> None:
        """Keep the `Date` header current until the server should stop."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(_DATE_SECONDS):
                    await self._is_stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, and wait until all are closed.

        Requests that take longer than `timeout_graceful_shutdown` are canceled.
        """
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        tasks = self.server_state.tasks
        try:
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                await self._wait_until_idle()
        except TimeoutError:
            logger.warning("requests canceled to stop: %d", len(tasks))
            for task in tasks:
                task.cancel()
        await self.lifespan.shutdown()

    async def _wait_until_idle(self) -> None:
        while self.server_state.connections:
            self.config.connection_was_lost.clear()
            await self.config.connection_was_lost.wait()
        while tasks := self.server_state.tasks:
            await asyncio.wait(tasks)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture no signals."""
        yield
