"""A wait inside an activity that a framework wraps is refused before anybody is asked."""

import importlib
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from ringback.settings import Settings
from tests.integration.agents.agent_env import causes
from tests.integration.env import GRACE, gateway, plugin_for

pytestmark = [
    pytest.mark.server,
    # Frameworks are imported, and their workflows are loaded in the sandbox.
    pytest.mark.timeout(60),
    pytest.mark.thorough,
]

NAIVE = {
    "pydantic_ai": ("WaitInTool", "requires_approval=True"),
    "langgraph": ("WaitInNode", "execute_in='workflow'"),
}
"""The workflow in which each framework's activity waits, and a word of what to do instead."""


@pytest.mark.parametrize("is_ringback_last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("name", NAIVE)
async def test_wait_in_a_wrapped_activity_names_the_frameworks_own_way(
    temporal_address: str, settings: Settings, name: str, *, is_ringback_last: bool
) -> None:
    workflow_name, advice = NAIVE[name]
    module = importlib.import_module(f"tests.integration.agents.naive_{name}")
    run = getattr(module, workflow_name)
    module.SUBMITTED.clear()
    async with gateway(temporal_address, settings):
        plugins = [plugin_for(settings), *module.plugins()]
        if is_ringback_last:
            plugins.reverse()
        client = await Client.connect(temporal_address, plugins=plugins)
        queue = f"naive-{uuid4()}"
        async with Worker(
            client, task_queue=queue, workflows=[run], graceful_shutdown_timeout=GRACE
        ):
            handle = await client.start_workflow(
                run.run, id=queue, task_queue=queue, execution_timeout=timedelta(seconds=40)
            )
            with pytest.raises(WorkflowFailureError) as caught:
                await handle.result()

    failures = [one for one in causes(caught.value) if isinstance(one, ApplicationError)]
    (failure,) = [one for one in failures if one.type == "WaitInAgentFramework"]
    assert failure.non_retryable
    assert advice in failure.message
    assert f"ringback.agents.{name}" in failure.message
    assert module.SUBMITTED == []
