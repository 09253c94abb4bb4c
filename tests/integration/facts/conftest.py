"""One worker for all facts."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from temporalio.client import Client

from tests.integration.facts.env import Env


@pytest.fixture(scope="session")
async def shared_env(client: Client) -> AsyncIterator[Env]:
    """The environment that all tests in this folder share."""
    env = Env(client, f"test-{uuid4()}")
    async with env.worker():
        yield env
        env.spares.clear()
        await env.close()


@pytest.fixture
async def env(shared_env: Env) -> AsyncIterator[Env]:
    """The shared environment. Closes the open workflows after the test."""
    yield shared_env
    await shared_env.close()
