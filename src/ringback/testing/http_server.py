"""An HTTP server on 127.0.0.1 that starts and stops in a millisecond."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp
from uvicorn.server import ServerState

from ringback.app.connections import HttpLimits
from ringback.app.limited_http import LimitedConfig, LimitedHttpProtocol
from ringback.app.web import bound_socket, url_of


@asynccontextmanager
async def served_now(app: ASGIApp, *, port: int = 0) -> AsyncIterator[str]:
    """Serve `app` for the block, and yield its URL; requests in progress end with the block.

    A gateway's own server looks ten times a second whether it should stop.
    """
    config = LimitedConfig(
        app,
        http=LimitedHttpProtocol,
        ws="none",
        lifespan="off",
        proxy_headers=False,
        access_log=False,
        log_config=None,
        limits=HttpLimits(),
    )
    config.load()
    state = ServerState()

    def protocol() -> asyncio.Protocol:
        return LimitedHttpProtocol(config=config, server_state=state, app_state={})

    with bound_socket("127.0.0.1", port) as listening:
        server = await asyncio.get_running_loop().create_server(protocol, sock=listening)
        try:
            yield url_of(listening)
        finally:
            server.close()
            for task in state.tasks:
                task.cancel()
            if state.tasks:
                await asyncio.wait(state.tasks)
            for connection in list(state.connections):
                connection.transport.abort()
