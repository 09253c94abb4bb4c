"""Fixtures that start a gateway and a worker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ringback.settings import Settings
from tests.integration.env import Env, FakeService, gateway, settings_in, worker

OpenEnv = Callable[..., AbstractAsyncContextManager[Env]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
async def service() -> FakeService:
    return FakeService(asyncio.get_running_loop())


@pytest.fixture
def open_env(
    temporal_address: str, settings: Settings, service: FakeService, unique: str
) -> OpenEnv:
    """Start a gateway and a worker that has these activities."""

    @asynccontextmanager
    async def opened(*activities: Callable[..., Any]) -> AsyncIterator[Env]:
        async with (
            gateway(temporal_address, settings) as http,
            worker(temporal_address, settings, unique, activities=activities) as client,
        ):
            yield Env(client, settings, unique, http, service)

    return opened
