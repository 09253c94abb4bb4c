"""One write for a reply: uvicorn writes its head and its body apart.

Each write is a system call and a packet, and the first one wakes a client that can do nothing with
it yet.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class OneWriteProtocol(HttpToolsProtocol):
    """HTTP as uvicorn speaks it; a head waits for its body, if that comes at once."""

    def connection_made(  # type: ignore[override]  # - uvicorn narrows it the same way
        self, transport: asyncio.Transport
    ) -> None:
        """Speak over `transport`, which uvicorn gets to see only through what gathers."""
        super().connection_made(cast("asyncio.Transport", _Gathering(transport, self.loop)))


class _Gathering:
    """A transport that holds what is written, for the rest of the loop's turn, until more comes."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""

    def write(self, data: bytes) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held + data)
        else:
            self._held = data
            self._loop.call_soon(self._let_go)

    def close(self) -> None:
        self._let_go()
        self._transport.close()

    def _let_go(self) -> None:
        held, self._held = self._held, b""
        # Who waits for it may have gone meanwhile.
        if held and not self._transport.is_closing():
            self._transport.write(held)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
