"""A real Prometheus scrapes a real gateway, and `ringback status` says what is wrong."""

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx2
import pytest

from tests.acceptance.command_line import Command
from tests.acceptance.many_callbacks_worker import Questions
from tests.acceptance.marks import on_both_stores
from tests.acceptance.programs import LIMIT_SECONDS, ROOT, free_port, program
from tests.acceptance.site import Site
from tests.polling import pause
from tests.services import missing

pytestmark = [pytest.mark.server, pytest.mark.processes]

_RULES: Final = ROOT / "deploy" / "prometheus" / "ringback.rules.yml"
_SOURCE: Final = """
[sources.sensor]
scheme = "token"
secrets = ["env:SENSOR_TOKEN"]
header = "Authorization"
prefix = "Bearer "

[[sources.sensor.rules]]
key = "join(':', ['tank', tank])"
action = "complete"
"""

_CONFIGURATION: Final = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: ringback
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@asynccontextmanager
async def prometheus(folder: Path, port: int) -> AsyncIterator[httpx2.AsyncClient]:
    """Run Prometheus, which scrapes `port`; yield a client of its API."""
    binary = shutil.which("prometheus")
    if binary is None:
        missing("the program `prometheus`", "install it with: apt-get install prometheus")
    file, own = folder / "prometheus.yml", free_port()
    file.write_text(_CONFIGURATION.format(port=port, rules=_RULES))
    words = [
        *(binary, f"--config.file={file}", f"--storage.tsdb.path={folder / 'tsdb'}"),
        f"--web.listen-address=127.0.0.1:{own}",
    ]
    async with (
        program(words, {}) as running,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{own}/api/v1") as http,
    ):
        await running.line("ready to receive web requests")
        yield http


async def until_value(http: httpx2.AsyncClient, query: str, wanted: float) -> None:
    """Return once an expression has this value."""
    found = None
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while found != wanted:
                reply = await http.get("/query", params={"query": query})
                result = reply.json()["data"]["result"]
                found = float(result[0]["value"][1]) if result else None
                await pause()
    except TimeoutError:
        pytest.fail(f"{query} is {found}, not {wanted}")


@pytest.mark.thorough
@on_both_stores
async def test_prometheus_sees_an_answer_from_opening_to_its_end(
    shared_site: Site, tmp_path: Path
) -> None:
    site, port = shared_site, free_port()
    async with (
        site.gateway(RINGBACK_METRICS_PORT=str(port)),
        site.many_callbacks_worker(),
        prometheus(tmp_path, port) as http,
    ):
        workflow = await site.ask(Questions())
        link = await site.service.next_link()
        await until_value(http, 'ringback_opened_total{result="opened"}', 1)
        await site.post(link, "yes")
        await workflow.result()

        for query, wanted in (
            ('ringback_answers_total{result="accepted"}', 1),
            ('ringback_deliveries_total{verdict="applied"}', 1),
            ("ringback_accept_to_applied_seconds_count", 1),
            ("ringback_oldest_undelivered_age_seconds", 0),
            ("sum(ringback_callbacks)", 1),
            ("ringback_store_up + ringback_temporal_up", 2),
            ("up", 1),
        ):
            await until_value(http, query, wanted)
        async with httpx2.AsyncClient() as elsewhere:
            reply = await elsewhere.get(f"{site.gateway_url}/metrics")

    assert reply.status_code == 404


async def test_status_names_the_outage_of_temporal_and_what_waits_for_it(site: Site) -> None:
    async with site.temporal() as temporal, site.gateway():
        well = await Command(site)("status")
        with temporal.frozen():
            away = await Command(site)("status", "--json")

    assert (well.code, well.out.splitlines()[0]) == (0, "all is well")
    assert (away.code, [one["what"] for one in away.json["problems"]]) == (1, ["temporal"])


async def test_status_without_a_gateway_says_how_to_start_one(shared_site: Site) -> None:
    async with shared_site.gateway():
        """It creates the keys."""

    found = await Command(shared_site)("status")

    assert found.code == 1
    assert "ringback serve" in found.out


async def until_alert(http: httpx2.AsyncClient, name: str) -> None:
    """Return once the expression of a shipped alert holds; it fires after its `for`."""
    await until_value(http, f'count(ALERTS{{alertname="{name}"}})', 1)


async def post_to_source(site: Site, token: str, content: bytes) -> int:
    async with httpx2.AsyncClient(base_url=site.gateway_url) as http:
        headers = {"authorization": f"Bearer {token}"}
        return (await http.post("/in/sensor", content=content, headers=headers)).status_code


@pytest.mark.thorough
@on_both_stores
async def test_revoked_key_dead_event_and_lost_link_key_each_raise_an_alert_that_status_explains(
    shared_site: Site, tmp_path: Path
) -> None:
    site, token = shared_site, secrets.token_hex(16)
    (site.data / "sources.toml").write_text(_SOURCE)
    file, new = str(site.data / "sources.toml"), f"new:{secrets.token_hex(32)}"
    async with site.gateway(), site.many_callbacks_worker():
        await site.ask(Questions())
        await site.service.next_link()
    async with (
        site.gateway(RINGBACK_SOURCES_FILE=file, SENSOR_TOKEN=token, RINGBACK_KEYS=new),
        prometheus(tmp_path, site.gateway_port) as http,
    ):
        await until_value(http, "up", 1)
        added = (await Command(site)("keys", "add", "--role", "worker", "--name", "w")).out.strip()
        key_id = added.split("_")[1]
        await Command(site)("keys", "revoke", key_id)
        refused = await Command(site)("status", RINGBACK_API_KEY=added)
        dead = await post_to_source(site, token, b"[]")

        for name in ("RingbackKeyRevoked", "RingbackDeadEvents", "RingbackLinkKeyMissing"):
            await until_alert(http, name)
        found = await Command(site)("status")

    assert (refused.code, dead) == (1, 200)
    assert f"the key {key_id} is revoked" in refused.err
    assert added not in refused.err + found.out
    for anchor in ("keyrevoked", "deadevents", "linkkeymissing"):
        assert f"docs/howto/alerts.md#ringback{anchor}" in found.out
