"""Temporal servers that a test starts for itself."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from ringback.app.dev_server import temporal_binary
from ringback.domain.errors import ConfigurationError
from tests.services import missing


@asynccontextmanager
async def own_temporal(
    settings: Mapping[str, str] = MappingProxyType({}),
    *,
    how_to_start: str = "run `make setup`",
) -> AsyncIterator[Client]:
    """Run a server with this dynamic configuration for the block; yield a client of it."""
    try:
        binary = temporal_binary()
    except ConfigurationError:
        missing("the Temporal server's program", how_to_start)
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=binary,
        dev_server_log_level="error",
        dev_server_extra_args=[
            f"--dynamic-config-value={name}={value}" for name, value in settings.items()
        ],
    )
    async with environment:
        yield environment.client
