"""Several gateways on one database: what one has taken, another one delivers."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from statistics import median
from typing import Final

import httpx2
import pytest
from sqlalchemy import text

from ringback.app.web import free_ports
from ringback.domain.callback import State
from tests.acceptance.many_callbacks_worker import Questions
from tests.acceptance.marks import on_postgresql
from tests.acceptance.programs import Program, free_port
from tests.acceptance.site import Site, tries_of

pytestmark = [pytest.mark.server, pytest.mark.processes, on_postgresql, pytest.mark.thorough]

POLL_SECONDS: Final = 0.5
"""Not before this, who is not told looks; who looks for answers to deliver, later still."""


@dataclass
class Gateway:
    """One of several."""

    program: Program
    port: int


@asynccontextmanager
async def gateways(site: Site, *environments: Mapping[str, str]) -> AsyncIterator[list[Gateway]]:
    """Run a gateway with each of these settings; all start at once."""
    await site.make_keys()
    async with AsyncExitStack() as stack:
        found = []
        for environment, port in zip(environments, free_ports(len(environments)), strict=True):
            starting = site.starting_gateway(port, **environment)
            found.append(Gateway(await stack.enter_async_context(starting), port))
        for one in found:
            await one.program.line("ready http")
        yield found


def applied_by(gateway: Program) -> int:
    """Return how many outcomes this gateway has settled as applied."""
    lines = [one for one in gateway.lines if "outcomes settled" in one and "=applied" in one]
    return sum(line.count("cb_") for line in lines)


async def seconds_until_applied(http: httpx2.AsyncClient, link: str) -> float:
    began = asyncio.get_running_loop().time()
    reply = await http.post(link, json="x", headers={"prefer": "wait=20"})
    assert (reply.status_code, reply.json()["state"]) == (200, "applied")
    return asyncio.get_running_loop().time() - began


async def test_waiting_sender_gets_the_verdict_of_another_gateway_immediately(
    shared_site: Site,
) -> None:
    site, count = shared_site, 9
    nowhere = f"127.0.0.1:{free_port()}"
    async with (
        gateways(site, {"TEMPORAL_ADDRESS": nowhere}, {}) as (cut_off, other),
        site.many_callbacks_worker(port=other.port),
    ):
        workflow = await site.ask(Questions(count))
        links = await site.service.next_links(count)
        async with httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{cut_off.port}", timeout=30
        ) as http:
            seconds = [await seconds_until_applied(http, link) for link in links]

        assert await workflow.result() == ["x"] * count
    assert applied_by(cut_off.program) == 0
    assert applied_by(other.program) == count
    assert median(seconds) < POLL_SECONDS, seconds


async def accept_at(gateway: Gateway, site: Site, link: str, others: Sequence[Gateway]) -> None:
    """Let this gateway, and none of the others, accept an answer and begin to deliver it."""
    begun = sum(bool(tries_of(callback)) for callback in await site.callbacks())
    for other in others:
        other.program.freeze()
    reply = await site.post(link, gateway.port, port=gateway.port)
    assert reply.status_code == 202
    await site.until(lambda found: sum(bool(tries_of(one)) for one in found) == begun + 1)
    for other in others:
        other.program.thaw()


async def lose_gateways(site: Site, four: Sequence[Gateway], links: Sequence[str]) -> None:
    """Let all but the last one begin a delivery, and then be frozen, killed and stopped."""
    frozen, killed, stopped, living = four
    await accept_at(frozen, site, links[0], [killed, stopped, living])
    frozen.program.freeze()
    await accept_at(killed, site, links[1], [stopped, living])
    await killed.program.kill()
    await accept_at(stopped, site, links[2], [living])
    await stopped.program.interrupt()


async def expire_leases(site: Site) -> None:
    """Let no time pass but the leases; tests of crashes wait for a whole one."""
    async with site.connected() as connection:
        await connection.execute(text("UPDATE outcomes SET due_at = 0 WHERE state = 'accepted'"))


async def verdicts(site: Site) -> int:
    """Return how many verdicts were kept, of all outcomes."""
    async with site.connected() as connection:
        kept = text("SELECT count(*) FROM audit_trail WHERE kind = 'applied'")
        return int((await connection.execute(kept)).scalar_one())


async def test_another_gateway_finishes_deliveries_of_lost_gateways(
    site: Site,
) -> None:
    async with AsyncExitStack() as stack:
        temporal = await stack.enter_async_context(site.temporal())
        four = await stack.enter_async_context(gateways(site, *[{}] * 4))
        await stack.enter_async_context(site.many_callbacks_worker(port=four[-1].port))
        workflow = await site.ask(Questions(3))
        links = await site.service.next_links(3)
        await site.until_submitted()

        temporal.freeze()
        await lose_gateways(site, four, links)
        await temporal.kill()
        await stack.enter_async_context(site.temporal())
        await expire_leases(site)

        assert set(await workflow.result()) == {one.port for one in four[:3]}
        await site.until(lambda found: len(found) == 3, frozenset({State.APPLIED}))
        frozen, *_, living = (one.program for one in four)
        frozen.thaw()
        await frozen.line("core.delivery")
        assert {callback.state for callback in await site.callbacks()} == {State.APPLIED}
        assert await verdicts(site) == 3
        assert applied_by(living) == 3
