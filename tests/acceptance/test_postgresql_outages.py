"""PostgreSQL is gone, stands still or refuses writes: nothing hangs, and all go on after it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg
import httpx2
import pytest

from ringback.core.services import task_group
from tests.acceptance.many_callbacks_worker import Questions
from tests.acceptance.programs import LIMIT_SECONDS, until_ready
from tests.acceptance.site import Site
from tests.acceptance.site import site as build_site
from tests.contract.postgresql_cluster import Cluster, running_cluster
from tests.contract.postgresql_server import execute
from tests.polling import pause

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]

READ_ONLY: Final = (
    "ALTER SYSTEM SET default_transaction_read_only = on",
    "SELECT pg_reload_conf()",
)


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


@asynccontextmanager
async def read_only(cluster: Cluster) -> AsyncIterator[None]:
    await execute(cluster.url(), *READ_ONLY)
    try:
        yield
    finally:
        reset = "ALTER SYSTEM RESET default_transaction_read_only"
        await execute(cluster.url(), reset, "SELECT pg_reload_conf()")


@asynccontextmanager
async def locked(cluster: Cluster) -> AsyncIterator[None]:
    connection = await asyncpg.connect(cluster.url())
    async with connection.transaction():
        await connection.execute("LOCK TABLE callbacks, outcomes")
        yield
    await connection.close()


async def assert_unavailable(site: Site, link: str, *, can_read: bool = False) -> None:
    """Check that an answer is put off, and that the gateway says that it is not ready."""
    async with httpx2.AsyncClient(base_url=site.gateway_url, timeout=LIMIT_SECONDS) as http:
        answer, looked, ready, alive = await asyncio.gather(
            http.post(link, json="now"), http.get(link), http.get("/readyz"), http.get("/healthz")
        )
    assert (answer.status_code, looked.status_code) == (503, 200 if can_read else 503)
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["type"] == "urn:ringback:store-unavailable"
    assert (ready.status_code, ready.json()["status"]) == (503, "not ready")
    assert alive.status_code == 200


@pytest.mark.parametrize(("outage", "times"), [(gone, 2), (frozen, 1), (read_only, 2), (locked, 1)])
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
                await assert_unavailable(site, link, can_read=outage is read_only)
        await until_ready(site.gateway_url)
        first = await site.post(link, "now", prefer="wait=20")
        second = await site.post(await site.service.next_link(), "then", prefer="wait=20")

        assert (first.json()["state"], first.json()["duplicate"]) == ("applied", False)
        assert second.json()["state"] == "applied"
        assert await asked_before.result() == ["now"]
        assert await asked_meanwhile.result() == ["then"]


async def post_until_accepted(site: Site, link: str, answer: int) -> list[int]:
    """Post as a sender does that retries; return the status codes."""
    codes: list[int] = []
    async with asyncio.timeout(LIMIT_SECONDS):
        while not codes or codes[-1] == 503:
            codes.append((await site.post(link, answer)).status_code)
            await pause()
    return codes


async def test_restart_under_load_loses_no_answer(site: Site, cluster: Cluster) -> None:
    count = 40
    codes: list[list[int]] = []
    async with site.gateway() as gateway, site.many_callbacks_worker():
        workflow = await site.ask(Questions(count))
        links = await site.service.next_links(count)
        numbers = iter(range(count))

        async def send() -> None:
            for number in numbers:
                seen = await post_until_accepted(site, links[number], number)
                codes.append(seen)

        async def restart() -> None:
            while len(codes) < count // 4:
                await pause()
            await cluster.restart()

        async with task_group() as group:
            group.create_task(restart())
            for _ in range(4):
                group.create_task(send())
        await until_ready(site.gateway_url)
        answered = await workflow.result()

        assert gateway.process.returncode is None
    assert sorted(answered) == [*range(count)]
    assert {one[-1] for one in codes} <= {200, 202}
    assert any(503 in one for one in codes)
    assert "Traceback" not in gateway.output


async def stop(primary: Cluster) -> None:
    await primary.stop()


async def demote(primary: Cluster) -> None:
    """Refuse writes and keep all connections, as a fenced primary does."""
    await execute(primary.url(), *READ_ONLY)


@pytest.mark.parametrize("lose", [stop, demote])
async def test_gateway_finds_the_new_primary_after_a_failover(
    tmp_path: Path, temporal_address: str, lose: Callable[[Cluster], Awaitable[None]]
) -> None:
    async with running_cluster() as primary, primary.standby() as standby:
        both = primary.url().replace(primary.place, f"{primary.place},{standby.place}")
        url = f"{both}?target_session_attrs=read-write"
        async with (
            build_site(tmp_path, postgresql=url, temporal=temporal_address) as site,
            site.gateway() as gateway,
            site.many_callbacks_worker(),
        ):
            workflow = await site.ask(Questions(3))
            links = await site.service.next_links(3)
            await site.until_submitted()
            before = await site.post(links[0], "before")

            await lose(primary)
            meanwhile = await site.post(links[1], "meanwhile")
            await standby.promote()
            await until_ready(site.gateway_url)
            after = [await site.post(link, "after") for link in links]

            assert (before.status_code, meanwhile.status_code) == (202, 503)
            assert [one.status_code for one in after] == [409, 202, 202]
            assert sorted(await workflow.result()) == ["after", "after", "before"]
            assert gateway.process.returncode is None
