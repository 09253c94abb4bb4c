"""Two gateways behind PgBouncer in transaction mode."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ringback.app.web import free_ports
from tests.acceptance.many_callbacks_worker import Questions
from tests.acceptance.programs import free_port
from tests.acceptance.site import Site
from tests.acceptance.site import site as build_site
from tests.contract.pgbouncer import pooled
from tests.contract.postgresql_server import own_database, server_url

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]


@pytest.fixture
async def site(tmp_path: Path, temporal_address: str) -> AsyncIterator[Site]:
    async with (
        own_database(await server_url()) as url,
        pooled(url, "pool_mode = transaction", "server_round_robin = 1") as through,
        build_site(
            tmp_path, postgresql=f"{through}?pool_mode=transaction", temporal=temporal_address
        ) as built,
    ):
        yield built


async def test_gateway_behind_pgbouncer_delivers_what_another_accepted(site: Site) -> None:
    accepting, delivering = free_ports(2)
    nowhere = f"127.0.0.1:{free_port()}"
    async with (
        site.gateway(port=accepting, TEMPORAL_ADDRESS=nowhere) as cut_off,
        site.gateway(port=delivering) as other,
        site.many_callbacks_worker(port=delivering),
    ):
        workflow = await site.ask(Questions(3))
        links = await site.service.next_links(3)
        replies = [await site.post(link, "x", port=accepting, prefer="wait=20") for link in links]

        assert [one.json()["state"] for one in replies] == ["applied"] * 3
        assert await workflow.result() == ["x"] * 3
    assert "outcomes settled" not in cut_off.output
    assert "outcomes settled" in other.output
    assert "Traceback" not in cut_off.output + other.output
    assert "prepared statement" not in cut_off.output + other.output
