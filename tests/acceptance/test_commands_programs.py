"""Programs that run on tell other programs, too, where they answer and how it went."""

import asyncio
import json

import pytest

from tests.acceptance.command_line import Command
from tests.acceptance.programs import free_port, program, ringback
from tests.acceptance.site import Site

pytestmark = [pytest.mark.server, pytest.mark.processes]


@pytest.mark.parametrize("words", [["serve"], ["http-service"], ["worker", "--serve"]])
async def test_a_program_says_in_json_where_it_answers(shared_site: Site, words: list[str]) -> None:
    port = str(free_port())
    command = ringback(*words, "--port", port, "--json")

    async with program(command, shared_site.environment) as running:
        line = await running.line("ready")

    assert json.loads(line) == {"ready": f"http://127.0.0.1:{port}"}


async def test_the_demo_says_in_json_how_it_went(shared_site: Site) -> None:
    ran = await Command(shared_site)("demo", "--json")

    assert ran.code == 0, ran.err
    assert ran.json == {"went_well": True}


async def test_the_client_says_in_json_how_the_workflow_ended(shared_site: Site) -> None:
    site = shared_site
    async with site.gateway(), site.worker():
        ran, _ = await asyncio.gather(
            Command(site)("client", "-ttr", "0", "-ttc", "60", "--json"), answer_done(site)
        )

    assert ran.code == 0, ran.err
    assert (ran.json["ending"], ran.json["result"]) == ("completed", "done")


async def answer_done(site: Site) -> None:
    """Answer the next request."""
    link = await site.outside.next_link()
    await site.post(link, "done")
