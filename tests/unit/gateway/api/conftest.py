"""The house, as a fixture."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.gateway.house import House, opened_house


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with opened_house() as house:
        yield house
