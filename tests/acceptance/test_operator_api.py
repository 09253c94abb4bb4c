"""Another program operates over HTTP, with a key from the command line, on real processes."""

import asyncio
from typing import Any

import httpx2
import pytest

from ringback.core.api_auth import CACHED_FOR
from tests.acceptance.command_line import Command
from tests.acceptance.many_callbacks_worker import Questions
from tests.acceptance.programs import free_port
from tests.acceptance.site import Site

pytestmark = [pytest.mark.server, pytest.mark.processes]

NAMESPACE = ("--namespace", "billing")


async def key(site: Site, role: str) -> dict[str, Any]:
    """Return a new key, as `ringback keys add` prints it."""
    made = await Command(site)("keys", "add", "--role", role, "--name", "a test", "--json")
    assert made.code == 0, made.err
    found: dict[str, Any] = made.json
    return found


def client_of(site: Site, key: dict[str, Any]) -> httpx2.AsyncClient:
    headers = {"authorization": f"Bearer {key['key']}"}
    return httpx2.AsyncClient(
        base_url=f"{site.gateway_url}/v1", headers=headers, timeout=30, verify=False
    )


async def test_operator_lists_extends_and_answers_until_the_key_is_revoked(
    shared_site: Site,
) -> None:
    site = shared_site
    operator = await key(site, "operator")
    async with site.gateway(), site.many_callbacks_worker(), client_of(site, operator) as http:
        workflow = await site.ask(Questions(deadline=60))
        await site.service.next_link()
        await site.until_submitted()

        (found,) = (await http.get("/callbacks", params={"state": "open"})).json()["callbacks"]
        path = f"/callbacks/{found['id']}"
        extended = (await http.post(f"{path}/extend", json={"within": "PT1H"})).json()
        answers = [{"callback": found["id"], "verb": "complete", "body": "from an operator"}]
        answered = (await http.post("/answers", json={"answers": answers})).json()

        assert extended["deadline_at"] > found["deadline_at"]
        assert [one["status"] for one in answered["results"]] == [202]
        assert await workflow.result() == ["from an operator"]
        revoked = await Command(site)("keys", "revoke", operator["id"])
        async with asyncio.timeout(4 * CACHED_FOR.total_seconds()):
            while (await http.get("/callbacks")).status_code != 401:
                """Each try is a request, and so a pause."""
        assert revoked.out == f"{operator['id']} is revoked\n"


@pytest.mark.thorough
async def test_redeliver_over_http_applies_a_parked_answer(
    shared_site: Site,
) -> None:
    site = shared_site
    operator = await key(site, "operator")
    nowhere = f"127.0.0.1:{free_port()}"
    async with (
        site.gateway(TEMPORAL_ADDRESS=nowhere) as gateway,
        site.many_callbacks_worker(),
    ):
        workflow = await site.ask(Questions())
        link = await site.service.next_link()
        await site.until_submitted()
        await site.post(link, "at last")
        await gateway.interrupt()
        await site.park()
        async with site.gateway(temporal="ok"), client_of(site, operator) as http:
            parked = (await http.get("/callbacks", params={"state": "parked"})).json()
            (found,) = parked["callbacks"]
            redelivered = await http.post(f"/callbacks/{found['id']}/redeliver")

            assert redelivered.status_code == 200
            assert await workflow.result() == ["at last"]


async def test_gateway_logs_no_api_key(shared_site: Site) -> None:
    site = shared_site
    viewer = await key(site, "viewer")
    async with site.gateway() as gateway, client_of(site, viewer) as http:
        assert (await http.get("/callbacks")).status_code == 200
        assert (await http.post("/answers", json={"answers": []})).status_code == 403

    assert viewer["key"].split("_", 2)[2] not in gateway.output
