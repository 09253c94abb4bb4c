"""The real Temporal server, once for all tests."""

import atexit
import os
import time
from collections.abc import AsyncIterator, Sequence
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from ringback.app.dev_server import temporal_binary
from ringback.domain.errors import ConfigurationError
from tests.services import missing

# An interpreter that ends while the SDK's threads still run may crash (temporalio 1.35, issue 300
# of sdk-python). This runs after the last test.
atexit.register(time.sleep, 0.2)

LONGER = {"hypothesis": 60, "processes": 60, "thorough": 120}
"""Timeouts in seconds by mark, where a test has none of its own.

A property (hypothesis marks it) is tried on 100 examples and more.

A program needs 1 to 2 s of computing to start, and a test of `processes` starts up to six beside
those of the other tests. A thorough one also waits until killed programs and leases are replaced.
"""

HOW_TO_START = "run `make setup`, or set TEMPORAL_ADDRESS"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        timeouts = [seconds for mark, seconds in LONGER.items() if item.get_closest_marker(mark)]
        if timeouts and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(max(timeouts)))


@pytest.fixture(scope="session")
async def temporal_address() -> AsyncIterator[str]:
    """The address of a real Temporal server."""
    given = os.environ.get("TEMPORAL_ADDRESS")
    if given:
        yield given
        return
    try:
        binary = temporal_binary()
    except ConfigurationError:
        missing("the Temporal server", HOW_TO_START)
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=binary, dev_server_log_level="error"
    )
    async with environment:
        yield environment.client.service_client.config.target_host


@pytest.fixture(scope="session")
async def client(temporal_address: str) -> Client:
    """A client of the server, without Ringback."""
    return await Client.connect(temporal_address)


@pytest.fixture
def unique() -> str:
    """A name that no other test has, for workflows and task queues."""
    return f"test-{uuid4()}"
