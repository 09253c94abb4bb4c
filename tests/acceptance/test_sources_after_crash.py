"""An event is acknowledged once it is committed, whatever happens to a gateway before."""

import asyncio
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text

from tests.acceptance.command_line import Command
from tests.acceptance.marks import on_postgresql
from tests.acceptance.programs import LIMIT_SECONDS
from tests.acceptance.site import Site
from tests.acceptance.test_sources import SECRET, gateway, post_event, send, write_sources
from tests.acceptance.test_two_gateways import gateways
from tests.polling import pause

pytestmark = [pytest.mark.server, pytest.mark.processes, on_postgresql]

BLOCKED = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND wait_event_type = 'Lock'"
)


async def test_equal_deliveries_at_two_gateways_are_one_event(
    shared_site: Site, tmp_path: Path
) -> None:
    site = shared_site
    settings = {"RINGBACK_SOURCES_FILE": write_sources(tmp_path), "CI_SECRET": SECRET}
    async with gateways(site, settings, settings) as both:
        urls = [f"http://127.0.0.1:{one.port}" for one in both] * 8
        replies = await asyncio.gather(*map(post_event, urls))
        listed = await Command(site)("events", "--json", RINGBACK_URL=urls[0])

    assert {one.status_code for one in replies} == {200}
    assert sorted(one.json()["duplicate"] for one in replies) == [False] + [True] * 15
    assert len(listed.json["events"]) == 1


async def test_event_is_not_acknowledged_by_a_gateway_that_is_killed_before_it_commits(
    shared_site: Site, tmp_path: Path
) -> None:
    site, sources_file = shared_site, write_sources(tmp_path)
    async with gateway(site, sources_file) as running:
        async with site.connected() as connection:
            await connection.execute(text("LOCK TABLE source_deliveries IN SHARE MODE"))
            sending = asyncio.ensure_future(post_event(site.gateway_url))
            async with asyncio.timeout(LIMIT_SECONDS):
                while not (await connection.execute(BLOCKED)).scalar_one():
                    await pause()
            await running.kill()
        with pytest.raises(httpx2.TransportError):
            await sending
    async with gateway(site, sources_file):
        replies = [await send(site), await send(site)]
        listed = await Command(site)("events", "--json")

    assert replies == [{"duplicate": False}, {"duplicate": True}]
    assert len(listed.json["events"]) == 1
