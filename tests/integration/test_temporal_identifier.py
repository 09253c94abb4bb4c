"""The real server shows an attempt by its name, and the token that it comes with is its own."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from ringback.ports.activities import Identifier
from ringback.temporal.identify import TemporalIdentifier
from tests.contract.activities.env import ActivityEnv
from tests.contract.identifier_contract import IdentifierContract
from tests.integration.temporal_env import TemporalEnv, TemporalWorker


@pytest.fixture(scope="module")
async def at_work(client: Client) -> AsyncIterator[TemporalWorker]:
    worker = TemporalWorker(client)
    async with worker.running():
        yield worker


@pytest.mark.server
class TestTemporalIdentifier(IdentifierContract):
    @pytest.fixture
    async def env(self, client: Client, at_work: TemporalWorker) -> AsyncIterator[ActivityEnv]:
        env = TemporalEnv(client, at_work)
        yield env
        await env.close()

    @pytest.fixture
    def identifier(self, client: Client) -> Identifier:
        return TemporalIdentifier(client)
