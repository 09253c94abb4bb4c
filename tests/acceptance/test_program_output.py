"""Programs that run on tell other programs, too, where they answer and how it went."""

import asyncio
import json
import re

import httpx2
import pytest

from tests.acceptance.command_line import Command
from tests.acceptance.programs import free_port, program, ringback
from tests.acceptance.site import Site

EVERYWHERE = "0.0.0.0"  # noqa: S104 - listens for the moment of a test

pytestmark = [pytest.mark.server, pytest.mark.processes]


@pytest.mark.parametrize("words", [["serve"], ["http-service"], ["worker", "--serve"]])
async def test_json_option_prints_the_address_of_the_program(
    shared_site: Site, words: list[str]
) -> None:
    port = str(free_port())
    command = ringback(*words, "--port", port, "--json")

    async with program(command, shared_site.environment) as running:
        line = await running.line("ready")

    assert json.loads(line) == {"ready": f"http://127.0.0.1:{port}"}


@pytest.mark.thorough
@pytest.mark.parametrize("words", [["serve"], ["worker", "--serve"]])
async def test_gateway_without_public_url_uses_the_address_it_listens_on(
    shared_site: Site, words: list[str]
) -> None:
    environment = shared_site.environment
    del environment["RINGBACK_PUBLIC_URL"]
    command = ringback(*words, "--host", "::1", "--port", "0")

    async with program(command, environment) as running, httpx2.AsyncClient(verify=False) as http:
        url = (await running.line("ready http")).split()[1]
        document = (await http.get(f"{url}/openapi.json")).json()

    assert re.fullmatch(r"http://\[::1\]:[1-9]\d*", url)
    assert document["servers"] == [{"url": url}]


@pytest.mark.thorough
async def test_gateway_on_all_addresses_prints_the_url_for_workers(shared_site: Site) -> None:
    environment = shared_site.environment
    del environment["RINGBACK_PUBLIC_URL"]
    command = ringback("serve", "--host", EVERYWHERE, "--port", "0")

    async with program(command, environment) as running:
        everywhere = await running.line("listening on")
        needed = await running.line("export RINGBACK_URL=")
        url = (await running.line("ready http")).split()[1]

    assert everywhere == f"listening on every address of this machine ({EVERYWHERE})"
    assert url.startswith("http://127.0.0.1:")
    assert needed == f"export RINGBACK_URL={url}"


async def test_demo_prints_its_result_as_json(shared_site: Site) -> None:
    ran = await Command(shared_site)("demo", "--json")

    assert ran.code == 0, ran.err
    assert ran.json == {"went_well": True}


async def test_client_prints_the_workflow_result_as_json(shared_site: Site) -> None:
    site = shared_site
    async with site.gateway(), site.worker():
        ran, _ = await asyncio.gather(
            Command(site)("client", "-ttr", "0", "-ttc", "60", "--json"), answer_done(site)
        )

    assert ran.code == 0, ran.err
    assert (ran.json["ending"], ran.json["result"]) == ("completed", "done")


async def answer_done(site: Site) -> None:
    """Answer the next request."""
    link = await site.service.next_link()
    await site.post(link, "done")
