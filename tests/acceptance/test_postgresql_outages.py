"""PostgreSQL is gone or stands still: nothing hangs, and all go on by themselves after it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.many_callbacks_worker import Questions
from tests.acceptance.programs import LIMIT_SECONDS, until_ready
from tests.acceptance.site import Site
from tests.acceptance.site import site as build_site
from tests.contract.postgresql_cluster import Cluster, running_cluster

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]


@pytest.fixture(scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    async with running_cluster() as cluster:
        yield cluster


@pytest.fixture
async def site(tmp_path: Path, temporal_address: str, cluster: Cluster) -> AsyncIterator[Site]:
    async with build_site(tmp_path, postgresql=cluster.url(), temporal=temporal_address) as built:
        yield built


@asynccontextmanager
async def gone(cluster: Cluster) -> AsyncIterator[None]:
    await cluster.stop()
    try:
        yield
    finally:
        await cluster.start()


@asynccontextmanager
async def frozen(cluster: Cluster) -> AsyncIterator[None]:
    with cluster.frozen():
        yield


async def assert_unavailable(site: Site, link: str) -> None:
    """Check that an answer is put off, and that the gateway says that it is not ready."""
    async with httpx2.AsyncClient(base_url=site.gateway_url, timeout=LIMIT_SECONDS) as http:
        answer, looked, ready, alive = await asyncio.gather(
            http.post(link, json="now"), http.get(link), http.get("/readyz"), http.get("/healthz")
        )
    assert (answer.status_code, looked.status_code) == (503, 503)
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["type"] == "urn:ringback:store-unavailable"
    assert (ready.status_code, ready.json()["status"]) == (503, "not ready")
    assert alive.status_code == 200


@pytest.mark.parametrize(("outage", "times"), [(gone, 2), (frozen, 1)])
async def test_outage_returns_503_and_gateway_and_worker_recover(
    site: Site,
    cluster: Cluster,
    outage: Callable[[Cluster], AbstractAsyncContextManager[None]],
    times: int,
) -> None:
    async with site.gateway(), site.many_callbacks_worker():
        asked_before = await site.ask(Questions())
        link = await site.service.next_link()
        await site.until_submitted()

        async with outage(cluster):
            asked_meanwhile = await site.ask(Questions())
            for _ in range(times):
                await assert_unavailable(site, link)
        await until_ready(site.gateway_url)
        first = await site.post(link, "now", prefer="wait=20")
        second = await site.post(await site.service.next_link(), "then", prefer="wait=20")

        assert (first.json()["state"], first.json()["duplicate"]) == ("applied", False)
        assert second.json()["state"] == "applied"
        assert await asked_before.result() == ["now"]
        assert await asked_meanwhile.result() == ["then"]
