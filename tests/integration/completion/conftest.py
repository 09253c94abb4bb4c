"""One worker, and a completion client, for all tests in this folder."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from temporalio.client import Client

from ringback import AsyncCompletionClient
from tests.integration.facts.ground import Ground


@pytest.fixture(scope="session")
async def worked_on(client: Client) -> AsyncIterator[Ground]:
    """The ground of all tests in this folder."""
    ground = Ground(client, f"test-{uuid4()}")
    async with ground.worker():
        yield ground
        ground.spares.clear()
        await ground.close()


@pytest.fixture
async def ground(worked_on: Ground) -> AsyncIterator[Ground]:
    """The ground; what is still open is closed after the test."""
    yield worked_on
    await worked_on.close()


@pytest.fixture
def completion(client: Client) -> AsyncCompletionClient:
    """A completion client, as a user makes one."""
    return AsyncCompletionClient(client)
