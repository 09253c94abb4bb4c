"""An activity continues behind its wait, whoever is killed in between."""

import signal

import pytest

from ringback.domain.callback import State
from tests.acceptance.many_callbacks_worker import Questions
from tests.acceptance.marks import on_both_stores, on_postgresql
from tests.acceptance.programs import free_port
from tests.acceptance.site import Site

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]

RESUMED = Questions(attempt=5, resume=True)


async def states(site: Site) -> list[State]:
    return [callback.state for callback in await site.callbacks()]


async def test_worker_killed_in_submit_submits_no_more_and_continues(shared_site: Site) -> None:
    site = shared_site
    async with site.gateway(temporal="ok"):
        site.service.may_reply.clear()
        async with site.many_callbacks_worker() as worker:
            handle = await site.ask(RESUMED)
            link = await site.service.next_link()
            reply = await site.post(link, "yes")
            await worker.kill()
        site.service.may_reply.set()
        async with site.many_callbacks_worker():
            assert await site.service.next_link() == "/continued/2"
            assert await handle.result() == [{"continued": "yes"}]

    assert reply.status_code == 202
    assert await states(site) == [State.APPLIED]
    assert site.service.links.empty()


async def test_worker_killed_between_the_attempts_continues_once_it_is_back(
    shared_site: Site,
) -> None:
    site = shared_site
    async with site.gateway(temporal="ok"):
        async with site.many_callbacks_worker() as worker:
            handle = await site.ask(RESUMED)
            link = await site.service.next_link()
            await site.until_submitted()
            await worker.kill()
        await site.post(link, "yes")
        await site.until_delivering()
        async with site.many_callbacks_worker():
            assert await handle.result() == [{"continued": "yes"}]

    assert await states(site) == [State.APPLIED]


async def test_worker_killed_behind_the_wait_continues_again_with_the_same_answer(
    shared_site: Site,
) -> None:
    site = shared_site
    async with site.gateway(temporal="ok"):
        async with site.many_callbacks_worker() as worker:
            handle = await site.ask(RESUMED)
            link = await site.service.next_link()
            await site.until_submitted()
            site.service.may_reply.clear()
            await site.post(link, "yes")
            assert await site.service.next_link() == "/continued/2"
            assert await states(site) == [State.APPLIED]
            await worker.kill()
        site.service.may_reply.set()
        async with site.many_callbacks_worker():
            assert await site.service.next_link() == "/continued/3"
            assert await handle.result() == [{"continued": "yes"}]

    assert await states(site) == [State.APPLIED]


@on_both_stores
async def test_gateway_killed_between_claim_and_sending_is_replaced(site: Site) -> None:
    async with (
        site.temporal() as server,
        site.gateway(temporal="ok") as gateway,
        site.many_callbacks_worker(),
    ):
        handle = await site.ask(Questions(attempt=60, resume=True))
        link = await site.service.next_link()
        await site.until_submitted()
        server.process.send_signal(signal.SIGSTOP)
        reply = await site.post(link, "yes")
        await site.until_delivering()
        await gateway.kill()
        server.process.send_signal(signal.SIGCONT)
        async with site.gateway(temporal="ok"):
            assert await handle.result() == [{"continued": "yes"}]

    assert reply.status_code == 202
    assert await states(site) == [State.APPLIED]


@on_postgresql
async def test_activities_continue_through_two_gateways(shared_site: Site) -> None:
    """No attempt is ended once it has its answer: all continue in attempt 2."""
    site, count, other = shared_site, 20, free_port()
    async with (
        site.gateway(temporal="ok"),
        site.gateway(temporal="ok", port=other),
        site.many_callbacks_worker(port=other),
    ):
        handle = await site.ask(Questions(count, attempt=30, resume=True))
        links = await site.service.next_links(count)
        for number, link in enumerate(links):
            port = other if number % 2 else None
            assert (await site.post(link, number, port=port)).status_code == 202
        continued = [one["continued"] for one in await handle.result()]

    assert sorted(continued) == list(range(count))
    assert await states(site) == [State.APPLIED] * count
    assert set(await site.service.next_links(count)) == {"/continued/2"}
