"""Aliases that an activity adds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from ringback.client.gateway_client import GatewayClient
from ringback.client.target import Target
from ringback.domain.api_key import Role
from ringback.domain.callback import Callback as Opened
from ringback.domain.errors import GatewayRefusedError, NotWiredError, RetryableError
from ringback.domain.event_errors import AliasInUseError
from ringback.worker.callback import Callback
from ringback.worker.gateway_runtime import GatewayRuntime
from tests import factories
from tests.fake_edges import BASE
from tests.unit.gateway.house import House, key_of, opened_house


@asynccontextmanager
async def wired() -> AsyncIterator[tuple[House, GatewayRuntime]]:
    """Yield a gateway and the runtime of its worker."""
    async with opened_house() as house:
        transport = httpx2.ASGITransport(app=house.app)
        target = Target(BASE, key_of(Role.WORKER), "a test")
        async with GatewayClient(target, transport=transport) as client:
            yield house, GatewayRuntime(client, "me", lambda _: None, asyncio.get_running_loop())


def of_worker(opened: Opened, runtime: GatewayRuntime | None) -> Callback:
    return Callback(opened.id, None, is_submitted=False, url="https://x", _changes=runtime)


async def test_added_alias_leads_to_the_callback() -> None:
    async with wired() as (house, runtime):
        opened = await house.asked()
        callback = of_worker(opened, runtime)

        await callback.add_alias("orders/17")
        await asyncio.to_thread(callback.add_alias_sync, "order:17")

        assert (await house.found(opened.id)).options.aliases == ("orders/17", "order:17")


async def test_alias_in_use_is_retryable_and_names_its_owner() -> None:
    async with wired() as (house, runtime):
        owner, other = await house.asked(aliases=("order:17",)), await house.asked()

        with pytest.raises(AliasInUseError) as refused:
            await of_worker(other, runtime).add_alias("order:17")

        assert isinstance(refused.value, RetryableError)
        assert (refused.value.alias, refused.value.callback_id) == ("order:17", owner.id)
        assert owner.ref.workflow_id in str(refused.value)


async def test_alias_of_an_ended_callback_is_not_needed() -> None:
    async with wired() as (house, runtime):
        ended = await house.asked()
        await house.store.expire([factories.expiry(ended, "answered by link")])

        await of_worker(ended, runtime).add_alias("order:17")

        assert (await house.found(ended.id)).options.aliases == ()


async def test_unusable_alias_and_unknown_callback_are_refused() -> None:
    async with wired() as (house, runtime):
        opened = await house.asked()
        unknown = Callback(
            factories.callback_id(), None, is_submitted=False, url="https://x", _changes=runtime
        )

        with pytest.raises(ValueError, match="begin or end with a space"):
            await of_worker(opened, runtime).add_alias(" order:17")
        with pytest.raises(GatewayRefusedError, match="there is no callback"):
            await unknown.add_alias("order:17")
        with pytest.raises(NotWiredError):
            await of_worker(opened, None).add_alias("order:17")
