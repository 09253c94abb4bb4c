"""Each request of the page is accepted, and its events have the outcomes of the rules."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx2
import pytest

from ringback.client.target import local_key_path
from ringback.domain.api_key import Role
from ringback.settings import Settings
from tests.integration.env import gateway, settings_in

PAGE: Final = (Path(__file__).parents[2] / "docs" / "howto" / "other-webhooks.md").read_text(
    "utf-8"
)
SOURCES: Final = "\n".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
REQUESTS: Final = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
SECRETS: Final = dict(re.findall(r"([A-Z]+_[A-Z]+)=(\S+)", PAGE))

EXPECTED: Final = {
    ("shop", "shopify:820982911946154508", "waiting"),
    ("pipeline", "run-7", "waiting"),
    ("lab", "lab:s-81", "waiting"),
    ("sensor", "tank:3", "waiting"),
    ("erp", "2026-17", "waiting"),
    ("debits", "gocardless:PM1", "waiting"),
    ("debits", "gocardless:PM2", "waiting"),
    ("debits", None, "ignored"),
}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "ringback.toml"
    path.write_text(SOURCES, "utf-8")
    return settings_in(tmp_path, sources_file=path)


@pytest.fixture
async def http(temporal_address: str, settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a running gateway that has the page's sources."""
    async with gateway(temporal_address, settings) as client:
        key = local_key_path(settings.data, Role.OPERATOR).read_text().strip()
        client.headers["Authorization"] = f"Bearer {key}"
        yield client


async def send(script: str, settings: Settings, **secrets: str) -> str:
    """Run a request of the page, and return the reply."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c"),
        script.replace("http://127.0.0.1:8000", settings.base_url),
        env={**os.environ, **SECRETS, **secrets},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(30):
        printed, _ = await process.communicate()
    assert process.returncode == 0
    return printed.decode()


@pytest.mark.server
@pytest.mark.processes
async def test_requests_of_the_page_become_events_with_their_aliases(
    http: httpx2.AsyncClient, settings: Settings
) -> None:
    wrong = dict.fromkeys(SECRETS, "d3Jvbmc=") | {"ERP_LOGIN": "erp:wrong"}
    refused = [await send(script, settings, **wrong) for script in REQUESTS]
    replies = [await send(script, settings) for script in REQUESTS]
    events = (await http.get("/v1/events")).json()["events"]

    assert len(REQUESTS) == len(SECRETS)
    assert all('"status":401' in one.replace(" ", "") for one in refused), refused
    assert replies == ['{"duplicate":false}'] * len(REQUESTS)
    assert {(one["source"], one["alias"] or None, one["state"]) for one in events} == EXPECTED
    assert len(events) == len(EXPECTED)
