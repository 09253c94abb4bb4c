"""An agent whose workflow is canceled while people decide."""

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import CancelledError

from ringback.settings import Settings
from tests.integration.agents.agent_env import agent_env, each_framework

pytestmark = [pytest.mark.server, pytest.mark.timeout(60), pytest.mark.thorough]


@pytest.mark.parametrize("is_cached", [True, False], ids=["cached", "uncached"])
@pytest.mark.parametrize("framework", each_framework())
async def test_canceled_agent_ends_as_canceled(
    temporal_address: str, settings: Settings, framework: str, *, is_cached: bool
) -> None:
    async with (
        agent_env(temporal_address, settings, framework) as env,
        env.worker(is_cached=is_cached),
    ):
        handle = await env.start({"order": "o1", "euros": 50})
        await env.question()
        await handle.cancel()

        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        assert isinstance(caught.value.cause, CancelledError)
