"""From one version to the next: the store goes along, and who is too old is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.worker import Worker

from tests.acceptance.first_store import FIRST, first_answer, first_link, write_first_store
from tests.acceptance.marks import on_both_stores
from tests.acceptance.site import Site
from tests.integration.workflows import Run, RunActivity

pytestmark = [pytest.mark.server, pytest.mark.processes]


@asynccontextmanager
async def two_activities_that_wait(
    site: Site,
) -> AsyncIterator[tuple[list[WorkflowHandle[Any, Any]], list[activity.Info]]]:
    """Run activities that wait to be ended from outside, without this Ringback."""
    begun: asyncio.Queue[activity.Info] = asyncio.Queue()

    @activity.defn
    async def wait() -> None:
        begun.put_nowait(activity.info())
        activity.raise_complete_async()

    client = await site.client()
    queue = f"old-{uuid4()}"
    worker = Worker(client, task_queue=queue, workflows=[RunActivity], activities=[wait])
    async with worker:
        handles = [
            await client.start_workflow(
                RunActivity.run, Run("wait"), id=f"{queue}-{number}", task_queue=queue
            )
            for number in range(2)
        ]
        infos = {info.workflow_id: info for info in [await begun.get() for _ in handles]}
        yield handles, [infos[handle.id] for handle in handles]


@on_both_stores
async def test_what_an_earlier_version_had_accepted_is_delivered_after_the_upgrade(
    shared_site: Site,
) -> None:
    site = shared_site
    async with two_activities_that_wait(site) as (handles, infos):
        await write_first_store(site, infos, answered=1)

        upgraded = await site.run("migrate")
        async with site.gateway(RINGBACK_KEYS=site.keys):
            reply = await site.post(first_link(site, 1, infos[1]), "after", prefer="wait=20")

            assert upgraded.process.returncode == 0
            assert upgraded.output.startswith(f"the schema was {FIRST} and is ")
            assert reply.json()["state"] == "applied"
            assert [await handle.result() for handle in handles] == [first_answer(0), "after"]


@on_both_stores
async def test_a_program_that_is_older_than_the_schema_refuses_to_run(shared_site: Site) -> None:
    site = shared_site
    async with site.connected() as connection:
        await connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        await connection.execute(text("INSERT INTO alembic_version VALUES ('9999')"))

    refused = await asyncio.gather(
        site.run("serve", "--port", str(site.gateway_port)), site.run("worker")
    )

    for program in refused:
        assert program.process.returncode == 2
        assert program.output.endswith("'9999' is newer than this Ringback: upgrade Ringback")
        assert "Traceback" not in program.output
