"""What the gateways keep alive lives on when one of them dies."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from temporalio.api.workflow.v1 import PendingActivityInfo

from tests.acceptance.many_callbacks_worker import Questions
from tests.acceptance.marks import on_postgresql
from tests.acceptance.programs import LIMIT_SECONDS, free_port
from tests.acceptance.site import Site
from tests.polling import pause

pytestmark = [pytest.mark.server, pytest.mark.processes, on_postgresql, pytest.mark.thorough]

TIMEOUT = timedelta(seconds=12)
COUNT = 20


def lived_for(pending: PendingActivityInfo) -> timedelta:
    """Return how long the attempt had lived at its last heartbeat."""
    heartbeat_sent_at, started_at = pending.last_heartbeat_time, pending.last_started_time
    return heartbeat_sent_at.ToDatetime() - started_at.ToDatetime()


async def test_activities_stay_alive_after_one_of_two_gateways_is_killed(shared_site: Site) -> None:
    site = shared_site
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(site.gateway())
        await stack.enter_async_context(site.gateway(port=free_port()))
        await stack.enter_async_context(site.many_callbacks_worker())
        handle = await site.ask(Questions(COUNT, heartbeat=TIMEOUT.total_seconds()))
        await site.service.next_links(COUNT)

        async def until_lived(time: timedelta) -> list[PendingActivityInfo]:
            async with asyncio.timeout(LIMIT_SECONDS):
                while True:
                    pending = (await handle.describe()).raw_description.pending_activities
                    if len(pending) < COUNT or all(lived_for(one) > time for one in pending):
                        return list(pending)
                    await pause()

        await until_lived(timedelta(0))
        await first.kill()
        pending = await until_lived(1.25 * TIMEOUT)
        await handle.terminate()

    assert [one.attempt for one in pending] == [1] * COUNT
