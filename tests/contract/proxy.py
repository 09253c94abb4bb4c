"""A TCP proxy that a test can cut or freeze."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress


class Proxy:
    """Forwards connections to a port of this machine."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._reads = asyncio.Event()
        self._reads.set()
        self.port = 0

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Forward nothing in the block, and keep the connections."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def hold_requests(self) -> None:
        """Forward only what the target sends."""
        self._reads.clear()

    def release_requests(self) -> None:
        """Forward both directions again."""
        self._reads.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, server_writer}
        try:
            await asyncio.gather(
                self._forward(reader, server_writer, self._reads),
                self._forward(server_reader, writer, self._open),
            )
        finally:
            for one in (writer, server_writer):
                one.close()
                with suppress(OSError):
                    await one.wait_closed()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await gate.wait()
                await self._open.wait()
                writer.write(data)
                await writer.drain()
            writer.close()


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[Proxy]:
    """Run a proxy for the block."""
    proxy = Proxy(port)
    server = await proxy.start()
    try:
        yield proxy
    finally:
        proxy.release_requests()
        proxy.cut()
        server.close()
        await server.wait_closed()
