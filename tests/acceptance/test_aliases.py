"""Answers by alias on a real server, with two workers, whoever is killed in between."""

from urllib.parse import quote

import httpx2
import pytest

from tests.acceptance.command_line import Command
from tests.acceptance.marks import on_both_stores
from tests.acceptance.site import Site

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]

RUN = "github/run:42"


@on_both_stores
async def test_answer_by_alias_survives_a_kill_of_the_gateway(site: Site) -> None:
    ringback = Command(site)
    async with (
        site.temporal() as server,
        site.gateway(temporal="ok") as gateway,
        site.worker(),
        site.worker(),
    ):
        first, second = await two_callbacks(site)
        added = await put_alias(site, first["id"], RUN)
        taken = await put_alias(site, second["id"], RUN)
        await server.kill()
        reply = await ringback("complete", "--alias", RUN, "--result", "1", "--json")
        await gateway.kill()

    assert (added.status_code, taken.status_code) == (200, 409)
    assert taken.json()["callback"] == first["id"]
    assert (reply.code, reply.json["callback"]) == (0, first["id"])
    async with site.gateway(temporal="unreachable"):
        again = await ringback("complete", "--alias", RUN, "--result", "1", "--json")
        other = await ringback("complete", "--alias", RUN, "--result", "2")
        assert (again.code, again.json["duplicate"]) == (0, True)
        assert other.code == 1
        async with site.temporal(), site.worker(), site.worker():
            assert await (await site.handle_of(first["workflow_id"])).result() == 1
            await until_applied(ringback, first["id"])
            late = await ringback("show", "--alias", RUN)
            freed = await put_alias(site, second["id"], RUN)
            answered = await ringback("complete", "--alias", RUN, "--result", "3", "--wait", "20")
            assert (late.code, freed.status_code) == (1, 200)
            assert answered.code == 0, answered.err
            assert await (await site.handle_of(second["workflow_id"])).result() == 3


async def until_applied(ringback: Command, callback_id: str) -> None:
    """Wait for the verdict, which is stored after the workflow has the result."""
    words = ("complete", "--callback", callback_id, "--result", "1", "--wait", "20")
    repeated = await ringback(*words)
    assert repeated.code == 0, repeated.err


async def two_callbacks(site: Site) -> list[dict[str, str]]:
    """Let two workflows wait for one callback each; return what the list shows of them."""
    for name in ("first", "second"):
        await site.start_workflow(name)
        await site.service.next_link()
    found: list[dict[str, str]] = (await Command(site)("list", "--json")).json["callbacks"]
    return found


async def put_alias(site: Site, callback_id: str, alias: str) -> httpx2.Response:
    """Add an alias as a worker does."""
    path = f"/v1/callbacks/{callback_id}/aliases/{quote(alias, safe='')}"
    headers = {"authorization": f"Bearer {site.worker_key}"}
    async with httpx2.AsyncClient(base_url=site.gateway_url, timeout=30) as http:
        return await http.put(path, headers=headers)
