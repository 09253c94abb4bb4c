"""Serves the gateway over HTTP: for `ringback serve`, and for programs that contain one."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.client import Client

from ringback.app.compose import running_gateway
from ringback.app.descriptors import raise_descriptor_limit
from ringback.app.limited_http import HttpLimits
from ringback.app.program import settle_down
from ringback.app.web import served
from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.settings import Settings


@asynccontextmanager
async def serving_gateway(
    client: Client, settings: Settings, listening: socket.socket, *, hooks: Hooks = NO_HOOKS
) -> AsyncIterator[None]:
    """Run the gateway on `listening` for the block; it reports to `hooks` what it commits.

    Raises:
        ConfigurationError: A setting cannot be used.
        StoreUnavailableError: The store cannot be reached.
    """
    raise_descriptor_limit()
    limits = HttpLimits(keep_alive=timedelta(seconds=settings.keep_alive))
    async with running_gateway(client, settings, hooks=hooks) as gateway:
        settle_down()
        async with served(gateway.app, listening, on_stop=gateway.stop_waiting, limits=limits):
            yield
