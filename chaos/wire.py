"""The wire between the gateways and Temporal: it can lose what Temporal replies."""

import asyncio
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

_CHUNK: Final = 64 * 1024


class Wire:
    """Passes on what gateways and Temporal say to one another."""

    def __init__(self, host: str, port: int) -> None:
        """Lead to the server at `host` and `port`."""
        self._host = host
        self._port = port
        self._is_deaf = False
        self._open: set[StreamWriter] = set()

    @asynccontextmanager
    async def laid(self, listening: socket.socket) -> AsyncIterator[None]:
        """Pass on what comes to `listening`, for the block."""
        server = await asyncio.start_server(self._connect, sock=listening)
        try:
            yield
        finally:
            server.close()
            self._cut()

    async def lose_replies(self, seconds: float) -> bool:
        """Let requests through and lose every reply to them, then cut; tell whether any was lost.

        Temporal has done what was asked, and who asked does not learn it.
        """
        self._is_deaf, was_used = True, bool(self._open)
        await asyncio.sleep(seconds)
        self._cut()
        self._is_deaf = False
        return was_used

    async def _connect(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            there = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, there[1]}
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
