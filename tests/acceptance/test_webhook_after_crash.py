"""Who is asked is told that nobody waits any more, though the gateway is killed meanwhile."""

import asyncio
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook
from temporalio import activity

from ringback import wait_for_callback
from tests.acceptance.command_line import Command
from tests.acceptance.site import Site
from tests.integration.env import FakeService, worker
from tests.integration.workflows import Run, RunActivity
from tests.webhook_receiver import OK, listening

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]


async def shown(site: Site, callback_id: str) -> dict[str, Any]:
    """Return what `ringback show` says of a callback."""
    ran = await Command(site)("show", callback_id, "--json")
    assert ran.code == 0, ran.err
    found: dict[str, Any] = ran.json
    return found


async def test_next_gateway_sends_the_webhook_of_a_killed_one(
    shared_site: Site, unique: str
) -> None:
    site, service = shared_site, FakeService(asyncio.get_running_loop())

    async with listening() as receiver:
        receiver.reply = OK.replace(b"200 OK", b"503 Not yet")

        @activity.defn(name="ask")
        async def ask() -> Any:
            return await wait_for_callback(service.submit, object, cancel_url=receiver.url)

        async with (
            site.gateway(RINGBACK_ALLOW_PRIVATE_WEBHOOKS="true") as gateway,
            worker(site.temporal_address, site.settings, unique, activities=[ask]) as client,
        ):
            handle = await client.start_workflow(
                RunActivity.run, Run("ask"), id=unique, task_queue=unique
            )
            callback = await service.next()
            await handle.terminate()
            first = await receiver.next()
            postponed = await gateway.line("webhook retrying")
            await gateway.kill()
            receiver.reply = OK
            async with site.gateway(
                RINGBACK_ALLOW_PRIVATE_WEBHOOKS="true", RINGBACK_LOG_LEVEL="debug"
            ) as next_gateway:
                again = await receiver.next()
                await next_gateway.line("webhook delivered")
                secret = (await Command(site)("webhook-secret")).out.strip()
                entries = (await shown(site, callback.id))["audit_trail"]

    message = Webhook(secret).verify(again.body, dict(again.headers))
    assert (message["type"], message["data"]["callback"]) == ("callback.expired", callback.id)
    assert again.headers["webhook-id"] == first.headers["webhook-id"]
    assert again.body == first.body
    assert entries[-1]["kind"] == "webhook delivered"
    assert "hush" not in postponed + str(entries)
