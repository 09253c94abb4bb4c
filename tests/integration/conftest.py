"""The house, as fixtures."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ringback.settings import Settings
from tests.integration.house import House, Outside, gateway, settings_in, worker

OpenHouse = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
async def outside() -> Outside:
    return Outside(asyncio.get_running_loop())


@pytest.fixture
def open_house(
    temporal_address: str, settings: Settings, outside: Outside, unique: str
) -> OpenHouse:
    """Open a house whose worker has these activities."""

    @asynccontextmanager
    async def opened(*activities: Callable[..., Any]) -> AsyncIterator[House]:
        async with (
            gateway(temporal_address, settings) as http,
            worker(temporal_address, settings, unique, activities=activities) as client,
        ):
            yield House(client, settings, unique, http, outside)

    return opened
