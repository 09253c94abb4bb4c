"""What a person does: see what is overdue, give more time, and deliver again what was parked."""

from typing import Any

import pytest

from tests.acceptance.asking_worker import Questions
from tests.acceptance.command_line import Command
from tests.acceptance.programs import free_port
from tests.acceptance.site import Site

pytestmark = [pytest.mark.server, pytest.mark.processes]

NAMESPACE = ("--namespace", "billing")


async def listed(site: Site, *options: str) -> list[dict[str, Any]]:
    """Return what `ringback list` shows."""
    ran = await Command(site)("list", "--json", *options)
    assert ran.code == 0, ran.err
    found: list[dict[str, Any]] = ran.json["callbacks"]
    return found


async def test_who_is_overdue_is_listed_and_may_be_given_more_time(shared_site: Site) -> None:
    """The gateway reaches no Temporal while the deadline passes, so it takes no default answer."""
    site = shared_site
    nowhere = f"127.0.0.1:{free_port()}"
    async with site.gateway(TEMPORAL_ADDRESS=nowhere) as gateway, site.asking_worker():
        workflow = await site.ask(Questions(deadline=0.1))
        link = await site.outside.next_link()
        await site.until_submitted()

        (overdue,) = await listed(site, "--overdue")
        extended = await Command(site)("extend", overdue["id"], "1h")
        overdue_after = await listed(site, "--overdue")
        await gateway.interrupt()
        async with site.gateway():
            reply = await site.post(link, "in time after all", prefer="wait=20")

            assert extended.out.startswith(f"{overdue['id']} may be answered until ")
            assert overdue_after == []
            assert reply.json()["state"] == "applied"
            assert await workflow.result() == ["in time after all"]


async def test_what_was_parked_is_delivered_again_once_its_reason_is_mended(
    site: Site,
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    async with (
        site.temporal(),
        site.gateway(TEMPORAL_ADDRESS=nowhere) as gateway,
        site.asking_worker(),
    ):
        workflow = await site.ask(Questions())
        link = await site.outside.next_link()
        await site.until_submitted()
        await site.post(link, "at last")
        await gateway.interrupt()
        await site.park()
        async with site.gateway(temporal="ok"):
            (parked,) = await listed(site, "--state", "parked")
            redelivered = await Command(site)("redeliver", parked["id"])

            assert await workflow.result() == ["at last"]

    assert parked["outcome"]["proof"]["reason"] == "the test parked it"
    assert redelivered.out == f"{parked['id']} will be delivered again\n"
