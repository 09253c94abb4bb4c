"""A full disk: what arrives gets 503, none is half-kept, and it goes on when there is room."""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx2
import pytest

from ringback.domain.callback import State
from tests.acceptance.command_line import Command
from tests.acceptance.many_callbacks_worker import Questions
from tests.acceptance.programs import LIMIT_SECONDS, Program, until_ready
from tests.acceptance.site import Site
from tests.acceptance.test_sources import gateway, post_event, send, write_sources

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]

NO_ROOM: Final = 4096
"""In bytes; less than the smallest commit writes."""


@contextmanager
def no_room(program: Program) -> Iterator[None]:
    """Let the program write no file beyond its first page, as if the disk were full."""
    pid = program.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (NO_ROOM, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


async def readiness(site: Site) -> httpx2.Response:
    """Return what `/readyz` replies once its latest check is over a second old."""
    async with (
        asyncio.timeout(LIMIT_SECONDS),
        httpx2.AsyncClient(base_url=site.gateway_url) as http,
    ):
        while (reply := await http.get("/readyz")).status_code == httpx2.codes.OK:
            pass
        return reply


async def test_event_gets_503_while_the_disk_is_full_and_is_stored_afterwards(
    shared_site: Site, tmp_path: Path
) -> None:
    site = shared_site
    async with gateway(site, write_sources(tmp_path)) as running:
        with no_room(running):
            refused = [await post_event(site.gateway_url) for _ in range(2)]
        await until_ready(site.gateway_url)
        kept = await Command(site)("events", "--json")
        replies = [await send(site), await send(site)]
        stored = await Command(site)("events", "--json")

    assert [(one.status_code, one.headers["retry-after"]) for one in refused] == [(503, "2")] * 2
    assert kept.json["events"] == []
    assert replies == [{"duplicate": False}, {"duplicate": True}]
    assert len(stored.json["events"]) == 1


async def test_answers_get_503_while_the_disk_is_full_and_202_afterwards(
    shared_site: Site,
) -> None:
    site = shared_site
    async with site.gateway(temporal="ok") as running, site.many_callbacks_worker():
        workflow = await site.ask(Questions(3))
        links = await site.service.next_links(3)
        await site.until_submitted()

        with no_room(running):
            refused = await site.answer_all(dict.fromkeys(links, "too early"))
            again = await site.answer_all(dict.fromkeys(links, "too early"))
            kept = await site.callbacks()
            ready = await readiness(site)
        await until_ready(site.gateway_url)
        taken = await site.answer_all(dict.fromkeys(links, "kept"))

        for reply in [*refused, *again]:
            assert (reply.status_code, reply.headers["retry-after"]) == (503, "2")
        assert (ready.status_code, ready.json()["store"]) == (503, "unavailable")
        assert [callback.state for callback in kept] == [State.OPEN] * 3
        assert [reply.status_code for reply in taken] == [202] * 3
        assert await workflow.result() == ["kept"] * 3
