"""A gateway on fakes with a callback that waits."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import httpx2
import pytest
from fastapi import FastAPI

from ringback.domain.callback import Callback
from ringback.domain.link import ALL_VERBS, Link, Verb
from ringback.gateway.body_budget import BodyBudget
from tests.factories import NOW
from tests.fake_edges import BASE
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


@pytest.fixture
async def routed(house: HouseWithCallback) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the same application without the paths that skip FastAPI."""
    app = FastAPI(
        routes=house.app.routes,
        exception_handlers=house.app.exception_handlers,
        redirect_slashes=False,
        docs_url=None,
        openapi_url=None,
        redoc_url=None,
    )
    app.state = house.app.state
    with_budget = BodyBudget(app, largest=LIMIT)
    transport = httpx2.ASGITransport(app=with_budget, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as http:
        yield http
