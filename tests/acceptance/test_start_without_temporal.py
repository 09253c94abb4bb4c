"""A gateway that starts while Temporal takes connections and says nothing answers all the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx2
import pytest

from ringback.app.credentials import load_keyring
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.app.web import bound_socket
from ringback.domain.link import ALL_VERBS, Link
from tests import factories
from tests.acceptance.site import Site
from tests.acceptance.site import site as build_site

pytestmark = [pytest.mark.processes, pytest.mark.thorough]

MANY: Final = 20
PATIENCE_SECONDS: Final = 20
"""Longer than a request to Temporal may take, and shorter than its SDK tries to connect."""


@pytest.fixture
async def silent_site(tmp_path: Path) -> AsyncIterator[Site]:
    with bound_socket("127.0.0.1", 0) as silent:
        temporal = f"127.0.0.1:{silent.getsockname()[1]}"
        async with build_site(tmp_path, temporal=temporal) as site:
            yield site


async def opened(site: Site) -> str:
    """Open a callback, as a worker would; return the path of its link."""
    async with opened_store(site.settings, SystemClock()) as store:
        (callback,) = await store.open([factories.request()])
    keyring = load_keyring(site.settings)
    expires_at = SystemClock().now() + timedelta(hours=1)
    return f"/c/{keyring.sign(Link(callback.id, ALL_VERBS, expires_at, keyring.signing))}"


@asynccontextmanager
async def asked(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    """Run a gateway for the block; yield what asks it."""
    async with (
        site.starting_gateway(site.gateway_port) as gateway,
        httpx2.AsyncClient(base_url=site.gateway_url, timeout=PATIENCE_SECONDS) as http,
    ):
        await gateway.line("ready http")
        yield http


async def test_readyz_is_200_and_reports_temporal_as_not_ok(silent_site: Site) -> None:
    async with asked(silent_site) as http:
        reply = await http.get("/readyz")

    assert reply.status_code == 200
    assert reply.json()["temporal"] != "ok"


async def test_concurrent_requests_all_get_replies(silent_site: Site) -> None:
    async with asked(silent_site) as http:
        links = [await opened(silent_site) for _ in range(MANY)]
        shown = await asyncio.gather(*(http.get(link) for link in links))
        beaten = await http.post(f"{links[0]}/heartbeat", json=1)
        canceled = await http.post(f"{links[1]}/cancel", json={})
        completed = await http.post(links[2], json=1)

    assert {reply.status_code for reply in shown} == {200}
    assert (beaten.status_code, canceled.status_code, completed.status_code) == (200, 503, 202)
