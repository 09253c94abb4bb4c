"""Readiness commits a write, and frequent probes cause few writes."""

import asyncio
from datetime import timedelta

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ringback.core.health_checks import WriteChecker
from ringback.domain.errors import StoreUnavailableError
from ringback.gateway.health import Health, TemporalStatus
from ringback.testing import ManualClock
from tests.loops import idle

SECOND = timedelta(seconds=1)


class Store:
    """Counts the checks; each waits until the store answers."""

    def __init__(self) -> None:
        self.checks = 0
        self.error: StoreUnavailableError | None = None
        self.answers = asyncio.Event()
        self.answers.set()

    async def check_write(self) -> None:
        self.checks += 1
        await self.answers.wait()
        if self.error is not None:
            raise self.error


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def client(store: Store, clock: ManualClock, limit: timedelta = SECOND) -> httpx2.AsyncClient:
    async def temporal() -> TemporalStatus:
        return TemporalStatus.OK

    health = Health(WriteChecker(store, clock=clock, limit=limit), temporal)

    async def readyz(_: Request) -> Response:
        return await health.check()

    transport = httpx2.ASGITransport(app=Starlette(routes=[Route("/readyz", readyz)]))
    return httpx2.AsyncClient(transport=transport, base_url="http://gateway")


async def test_simultaneous_probes_cause_one_write(store: Store, clock: ManualClock) -> None:
    store.answers.clear()
    async with client(store, clock) as http:
        probes = [asyncio.ensure_future(http.get("/readyz")) for _ in range(20)]
        await idle()
        store.answers.set()
        replies = await asyncio.gather(*probes)

    assert [reply.status_code for reply in replies] == [200] * 20
    assert store.checks == 1


@pytest.mark.parametrize(("step", "checks"), [(0.9, 1), (1, 2), (-3600, 2)])
async def test_check_is_valid_for_one_second(
    store: Store, clock: ManualClock, step: float, checks: int
) -> None:
    async with client(store, clock) as http:
        await http.get("/readyz")
        clock.advance(timedelta(seconds=step))
        await http.get("/readyz")

    assert store.checks == checks


async def test_readiness_follows_the_store(
    store: Store, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    store.error = StoreUnavailableError("the disk of db.internal is full")
    async with client(store, clock) as http:
        full = await http.get("/readyz")
        store.error = None
        clock.advance(SECOND)
        free = await http.get("/readyz")

    assert (full.status_code, free.status_code) == (503, 200)
    assert "db.internal" not in full.text
    assert "db.internal is full" in caplog.text


async def test_store_that_does_not_reply_makes_readiness_503(
    store: Store, clock: ManualClock
) -> None:
    store.answers.clear()
    async with client(store, clock, limit=timedelta(milliseconds=10)) as http:
        reply = await http.get("/readyz")

    assert (reply.status_code, reply.json()["store"]) == (503, "unavailable")
