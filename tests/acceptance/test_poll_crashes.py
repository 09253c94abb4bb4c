"""A poll finds the answer, whoever is killed in between."""

import pytest

from ringback.domain.callback import State
from tests.acceptance.many_callbacks_worker import Questions
from tests.acceptance.marks import on_both_stores, on_postgresql
from tests.acceptance.programs import free_port
from tests.acceptance.site import Site

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]

REQUESTED = "poll of the sender requested"


async def until_applied(site: Site, count: int = 1) -> None:
    """Return once all answers are applied; the workflow has them a moment earlier."""
    await site.until(lambda found: len(found) == count, frozenset({State.APPLIED}))


@on_both_stores
async def test_gateway_killed_after_its_request_is_replaced(shared_site: Site) -> None:
    site = shared_site
    async with site.gateway(temporal="ok") as gateway:
        async with site.many_callbacks_worker():
            handle = await site.ask(Questions(poll_every=3))
            await site.until_submitted()
        await gateway.line(REQUESTED)
        await gateway.kill()
    async with site.gateway(temporal="ok"), site.many_callbacks_worker():
        found = await handle.result()
        await until_applied(site)

    assert found == ["found by 2"]


async def test_worker_killed_during_its_poll_is_replaced_after_the_attempt(
    shared_site: Site,
) -> None:
    site = shared_site
    async with site.gateway(temporal="ok"):
        async with site.many_callbacks_worker() as worker:
            handle = await site.ask(Questions(attempt=5, poll_every=2))
            await site.service.next_link()
            await site.until_submitted()
            site.service.may_reply.clear()
            assert await site.service.next_link() == "/polled/2"
            await worker.kill()
        site.service.may_reply.set()
        async with site.many_callbacks_worker():
            found = await handle.result()
        await until_applied(site)

    assert found == ["found by 3"]
    assert await site.service.next_link() == "/polled/3"
    assert site.service.links.empty()


async def test_attempt_of_a_killed_worker_is_ended_by_the_next_request(shared_site: Site) -> None:
    """Without a timeout of the attempt, Temporal would wait for the dead worker."""
    site = shared_site
    async with site.gateway(temporal="ok"):
        async with site.many_callbacks_worker() as worker:
            handle = await site.ask(Questions(poll_every=2))
            await site.service.next_link()
            await site.until_submitted()
            site.service.may_reply.clear()
            assert await site.service.next_link() == "/polled/2"
            await worker.kill()
        site.service.may_reply.set()
        async with site.many_callbacks_worker():
            found = await handle.result()

    assert found == ["found by 3"]


@on_postgresql
async def test_gateway_killed_among_two_loses_no_poll(shared_site: Site) -> None:
    site, count, other = shared_site, 20, free_port()
    async with (
        site.gateway(temporal="ok") as killed,
        site.gateway(temporal="ok", port=other),
        site.many_callbacks_worker(port=other),
    ):
        handle = await site.ask(Questions(count, poll_every=3))
        await site.service.next_links(count)
        await site.until_submitted()
        await killed.kill()

        found = await handle.result()
        await until_applied(site, count)

    assert set(found) == {"found by 2"}
