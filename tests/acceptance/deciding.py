"""A worker whose activity asks people, and their votes through a gateway."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from ringback import Callback, Decision, RingbackPlugin, Subject, wait_for_decision
from ringback.client.target import local_key_path
from ringback.domain.api_key import Role
from tests.acceptance.programs import LIMIT_SECONDS
from tests.acceptance.site import Site
from tests.acceptance.waiting_activities import Waiting

QUEUE = "decisions"
PEOPLE = ("user:ada", "user:bob", "user:cy")


@asynccontextmanager
async def asking(site: Site, **options: Any) -> AsyncIterator[asyncio.Queue[str]]:
    """Run a worker whose activity asks people; yield the ids of its callbacks."""
    asked: asyncio.Queue[str] = asyncio.Queue()

    async def submit(callback: Callback) -> None:
        asked.put_nowait(callback.id)

    @activity.defn(name="ask")
    async def ask(_: str) -> Decision:
        subject = Subject("Order 17", details={"euros": 250})
        rules = {"approvals": 2, **options}
        return await wait_for_decision(subject, submit, assignees=PEOPLE, **rules)

    plugin = RingbackPlugin(url=site.gateway_url, api_key=site.worker_key)
    client = await Client.connect(site.temporal_address, plugins=[plugin])
    async with Worker(client, task_queue=QUEUE, workflows=[Waiting], activities=[ask]):
        yield asked


async def open_question(site: Site, name: str, **options: Any) -> str:
    """Let a workflow ask; return its callback once it waits, without a worker."""
    async with asking(site, **options) as asked:
        client = await Client.connect(site.temporal_address)
        await client.start_workflow(Waiting.run, "", id=name, task_queue=QUEUE)
        async with asyncio.timeout(LIMIT_SECONDS):
            callback_id = await asked.get()
        await site.until_submitted()
        return callback_id


async def vote(
    site: Site, callback_id: str, user: str, *, approved: bool = True, prefer: str = ""
) -> httpx2.Response:
    key = local_key_path(site.data, Role.OPERATOR).read_text().strip()
    path = f"/v1/callbacks/{callback_id}/votes"
    body = {"by": user, "approved": approved}
    return await site.post(path, body, authorization=f"Bearer {key}", prefer=prefer)
