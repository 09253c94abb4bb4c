"""A connection to the server that can go silent, or break."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

CHUNK = 65536


class Wire:
    """Stands before a server; forwards what is sent until the test says otherwise."""

    def __init__(self, target: str) -> None:
        """Stand before the server at `target`."""
        self._host, _, self._port = target.rpartition(":")
        self._writers: set[StreamWriter] = set()
        self._may_answer = asyncio.Event()
        self._may_answer.set()

    def mute(self) -> None:
        """Hold back all that the server says from now on."""
        self._may_answer.clear()

    def cut(self) -> None:
        """Break every connection, with what was held back; new ones are good again."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        self._may_answer.set()

    @asynccontextmanager
    async def open(self, port: int = 0) -> AsyncIterator[str]:
        """Listen for the block; yield the address."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        try:
            host, bound = server.sockets[0].getsockname()
            yield f"{host}:{bound}"
        finally:
            server.close()
            self.cut()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._host, int(self._port))
        self._writers |= {writer, back}
        with suppress(ConnectionError):
            await asyncio.gather(self._forward(reader, back), self._answer(there, writer))
        writer.close()
        back.close()

    async def _forward(self, reader: StreamReader, writer: StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def _answer(self, reader: StreamReader, writer: StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await self._may_answer.wait()
            writer.write(data)
            await writer.drain()
        writer.close()
