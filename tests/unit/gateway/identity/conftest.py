"""A gateway on fakes, and a browser."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.gateway.house import House, opened_house
from tests.unit.gateway.identity.browser import Browser, opened_browser


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with opened_house() as house:
        yield house


@pytest.fixture
async def browser(house: House) -> AsyncIterator[Browser]:
    async with opened_browser(house.app) as browser:
        yield browser
