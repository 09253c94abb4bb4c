"""The meter counts the calls that reached a real server."""

from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import GetSearchAttributesRequest
from temporalio.client import Client

from benchmarks.temporals import metered_server
from ringback.app.dev_server import temporal_binary
from ringback.domain.errors import ConfigurationError
from tests.services import missing

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]

CALLS = 3


@pytest.fixture
def binary() -> Path:
    try:
        return Path(temporal_binary())
    except ConfigurationError:
        missing("the program `temporal`", "run `make setup`")


@pytest.mark.usefixtures("binary")
async def test_meter_counts_every_earlier_call(tmp_path: Path) -> None:
    async with metered_server(tmp_path) as (address, meter):
        client = await Client.connect(address)
        before = await meter.calls("GetSearchAttributes")
        for _ in range(CALLS):
            await client.workflow_service.get_search_attributes(GetSearchAttributesRequest())

        assert await meter.calls("GetSearchAttributes") == before + CALLS
