"""An inbox at one gateway follows what happens at another, on one database."""

import asyncio
import html
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx2
import pytest

from ringback.client.target import local_key_path
from ringback.core.inbox_feed import REREAD_EVERY
from ringback.domain.api_key import Role
from tests.acceptance.deciding import open_question, vote
from tests.acceptance.marks import on_postgresql
from tests.acceptance.programs import free_port
from tests.acceptance.site import Site
from tests.unit.gateway.identity.browser import HTML, csrf_of

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough, on_postgresql]

SOON: Final = REREAD_EVERY.total_seconds() / 2
"""A gateway that did not learn of a change would only find it when it reads all lists again."""


@asynccontextmanager
async def signed_in(site: Site, port: int, user: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Sign a person in at the gateway on `port`."""
    base = f"http://127.0.0.1:{port}"
    printed = await site.run("sign-in-url", "--user", user, RINGBACK_URL=base)
    url = printed.output.split()[-1]
    async with httpx2.AsyncClient(base_url=base, headers=HTML | {"origin": base}) as http:
        page = await http.get(url)
        reply = await http.post(url, data={"csrf": csrf_of(page)})
        assert reply.status_code == 303, (url, reply.text)
        http.headers["cookie"] = reply.headers["set-cookie"].partition(";")[0]
        yield http


async def change(site: Site, callback_id: str, what: str, body: object) -> None:
    key = local_key_path(site.data, Role.OPERATOR).read_text().strip()
    path = f"/v1/callbacks/{callback_id}/{what}"
    reply = await site.post(path, body, authorization=f"Bearer {key}")
    assert reply.status_code == 200, reply.text


@asynccontextmanager
async def followed(http: httpx2.AsyncClient) -> AsyncIterator[None]:
    """Open the list and its stream; after the block, wait until the stream says it changed."""
    page = (await http.get("/inbox")).text
    address = html.unescape(page.partition('data-events="')[2].partition('"')[0])
    async with http.stream("GET", address) as stream:
        lines = stream.aiter_lines()
        assert await anext(lines) == ": open"
        yield
        async with asyncio.timeout(SOON):
            while await anext(lines) != "event: changed":
                pass


async def test_list_at_one_gateway_follows_votes_claims_and_reassignments_at_another(
    shared_site: Site, unique: str
) -> None:
    site, port = shared_site, free_port()
    other_url = f"http://127.0.0.1:{port}"
    async with site.gateway(), site.gateway(port=port, RINGBACK_PUBLIC_URL=other_url):
        ids = [await open_question(site, f"{unique}-{n}", approvals=n) for n in (2, 1)]
        async with signed_in(site, port, "cy") as http:
            async with followed(http):
                await change(site, ids[1], "claim", {"by": "ada"})
            claimed = (await http.get("/inbox")).text
            async with followed(http):
                await change(site, ids[1], "reassign", {"assignees": ["user:bob"]})
            reassigned = (await http.get("/inbox")).text
            async with followed(http):
                for user in ("ada", "bob"):
                    assert (await vote(site, ids[0], user)).status_code in {200, 202}
            decided = (await http.get("/inbox")).text

    assert [ids[0] in page for page in (claimed, reassigned, decided)] == [True, True, False]
    assert [ids[1] in page for page in (claimed, reassigned, decided)] == [True, False, False]
    assert "ada" in claimed
