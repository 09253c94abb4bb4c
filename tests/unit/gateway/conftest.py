"""A gateway on fakes with a callback that waits."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from ringback.domain.callback import Callback
from ringback.domain.link import ALL_VERBS, Link, Verb
from tests.factories import NOW
from tests.unit.gateway.house import House, opened_house

LIMIT = 1000


@dataclass
class HouseWithCallback(House):
    """The callback that waits."""

    callback: Callback

    def path(
        self, *, verbs: frozenset[Verb] = ALL_VERBS, expires_in: timedelta = timedelta(days=1)
    ) -> str:
        link = Link(self.callback.id, verbs, NOW + expires_in, "k1")
        return f"/c/{self.keyring.sign(link)}"

    async def now(self) -> Callback:
        return await self.found(self.callback.id)


@pytest.fixture
async def house() -> AsyncIterator[HouseWithCallback]:
    async with opened_house(body_limit=LIMIT) as house:
        callback = await house.asked()
        yield HouseWithCallback(**vars(house), callback=callback)
