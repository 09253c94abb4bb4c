"""Our completion client, and other SDKs, on the same activities."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from ringback import AsyncCompletionClient
from tests.integration.facts.conftest import env, shared_env
from tests.other_sdk.typescript import TypeScript, typescript

__all__ = ["completion", "env", "shared_env", "ts"]


@pytest.fixture
def completion(client: Client) -> AsyncCompletionClient:
    """Our completion client."""
    return AsyncCompletionClient(client)


@pytest.fixture(scope="session")
async def ts(client: Client) -> AsyncIterator[TypeScript]:
    """The completion client of the TypeScript SDK."""
    async with typescript(client.service_client.config.target_host, client.namespace) as running:
        yield running
