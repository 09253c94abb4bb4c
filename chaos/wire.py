"""The connection between gateways and Temporal, which can lose replies."""

import asyncio
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

_CHUNK: Final = 64 * 1024


class Wire:
    """Forwards bytes between gateways and Temporal."""

    def __init__(self, host: str, port: int) -> None:
        """Forward to the server at `host` and `port`."""
        self._host = host
        self._port = port
        self._is_deaf = False
        self._open: set[StreamWriter] = set()
        self._is_laid = True
        self._connections: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def laid(self, listening: socket.socket) -> AsyncIterator[None]:
        """Forward connections to `listening` for the block."""
        server = await asyncio.start_server(self._connect, sock=listening)
        try:
            yield
        finally:
            server.close()
            self._is_laid = False
            self._cut()
            # A connection that the end of the loop cancels prints a traceback (Python 3.11).
            if self._connections:
                await asyncio.wait(self._connections)

    async def lose_replies(self, seconds: float) -> bool:
        """Forward requests but drop their replies, then disconnect; return whether any was dropped.

        Temporal executes the requests, and the gateway does not see the replies.
        """
        self._is_deaf, was_used = True, bool(self._open)
        await asyncio.sleep(seconds)
        self._cut()
        self._is_deaf = False
        return was_used

    async def _connect(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a connection has a task"
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        try:
            there = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, there[1]}
        if not self._is_laid:
            _abort(ends)
            return
        self._open |= ends
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, there[1], ends))
                group.create_task(self._pass_back(there[0], writer, ends))
        finally:
            self._open -= ends

    async def _pass_on(
        self, reader: StreamReader, writer: StreamWriter, ends: set[StreamWriter]
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                writer.write(chunk)
                await writer.drain()
        _abort(ends)

    async def _pass_back(
        self, reader: StreamReader, writer: StreamWriter, ends: set[StreamWriter]
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                if not self._is_deaf:
                    writer.write(chunk)
                    await writer.drain()
        _abort(ends)

    def _cut(self) -> None:
        _abort(self._open)


def _abort(ends: set[StreamWriter]) -> None:
    for end in ends:
        end.transport.abort()
