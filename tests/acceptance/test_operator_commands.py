"""What a person does: give more time, and deliver again what was parked."""

from datetime import datetime
from typing import Any

import pytest

from tests.acceptance.command_line import Command
from tests.acceptance.many_callbacks_worker import Questions
from tests.acceptance.programs import free_port
from tests.acceptance.site import Site

pytestmark = [pytest.mark.server, pytest.mark.processes]

NAMESPACE = ("--namespace", "billing")


def parse(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def listed(site: Site, *options: str) -> list[dict[str, Any]]:
    """Return what `ringback list` shows."""
    ran = await Command(site)("list", "--json", *options)
    assert ran.code == 0, ran.err
    found: list[dict[str, Any]] = ran.json["callbacks"]
    return found


@pytest.mark.thorough
async def test_extend_moves_the_deadline(shared_site: Site) -> None:
    site = shared_site
    async with site.gateway(), site.many_callbacks_worker():
        workflow = await site.ask(Questions(deadline=60))
        link = await site.service.next_link()
        await site.until_submitted()
        (waiting,) = await listed(site)

        extended = await Command(site)("extend", waiting["id"], "1h")
        (later,) = await listed(site)
        overdue = await listed(site, "--overdue")
        reply = await site.post(link, "in time after all", prefer="wait=20")

        assert extended.out.startswith(f"{waiting['id']} may be answered until ")
        # Temporal's own timeout is the deadline now.
        assert parse(later["deadline_at"]) > parse(waiting["deadline_at"])
        assert overdue == []
        assert reply.json()["state"] == "applied"
        assert await workflow.result() == ["in time after all"]


@pytest.mark.thorough
async def test_redeliver_applies_a_parked_answer(
    shared_site: Site,
) -> None:
    site = shared_site
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
        async with site.gateway(temporal="ok"):
            (parked,) = await listed(site, "--state", "parked")
            redelivered = await Command(site)("redeliver", parked["id"])

            assert await workflow.result() == ["at last"]

    assert parked["outcome"]["proof"]["reason"] == "the test parked it"
    assert redelivered.out == f"{parked['id']} will be delivered again\n"
