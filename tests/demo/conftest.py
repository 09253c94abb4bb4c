"""The whole demo in this process: gateway, demo service and worker, on a real Temporal server."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from temporalio.client import Client

from ringback.app.bootstrap import running_gateway
from ringback.app.web import bound_socket, served
from ringback.demo.service import create_service
from ringback.demo.worker import demo_worker
from ringback.settings import Settings
from tests.demo.gateway_stand_in import GatewayStandIn
from tests.demo.whole_demo import HOST, Demo
from tests.integration.env import plugin_for


@pytest.fixture(scope="module")
async def demo(
    temporal_address: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Demo]:
    at_gateway, at_service = bound_socket(HOST, 0), bound_socket(HOST, 0)
    settings = Settings(
        data=tmp_path_factory.mktemp("demo"),
        public_url=f"http://{HOST}:{at_gateway.getsockname()[1]}",
    )
    service_url = f"http://{HOST}:{at_service.getsockname()[1]}"
    async with AsyncExitStack() as stack:
        of_gateway = await Client.connect(temporal_address)
        gateway = await stack.enter_async_context(running_gateway(of_gateway, settings))
        await stack.enter_async_context(
            served(gateway.app, at_gateway, on_stop=gateway.stop_waiting)
        )
        await stack.enter_async_context(served(create_service(), at_service))
        client = await Client.connect(temporal_address, plugins=[plugin_for(settings)])
        await stack.enter_async_context(demo_worker(client, service_url))
        yield Demo(client, temporal_address, service_url)


@pytest.fixture(scope="module")
async def service_url() -> AsyncIterator[str]:
    listening = bound_socket(HOST, 0)
    url = f"http://{HOST}:{listening.getsockname()[1]}"
    async with served(create_service(), listening):
        yield url


@pytest.fixture
async def gateway() -> AsyncIterator[GatewayStandIn]:
    listening = bound_socket(HOST, 0)
    stand_in = GatewayStandIn(f"http://{HOST}:{listening.getsockname()[1]}")
    async with served(stand_in.app(), listening):
        yield stand_in
