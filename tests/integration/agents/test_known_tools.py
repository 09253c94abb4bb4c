"""An adapter checks the names of tools before the model is called, or before a tool runs."""

import importlib
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tests.integration.agents.agent_env import ELSEWHERE, need

pytestmark = [pytest.mark.other_agents, pytest.mark.thorough, pytest.mark.timeout(60)]

WITHIN = timedelta(hours=1)


async def before_the_model(named: str) -> None:
    """Let Strands run what it runs before the model, for an agent with the tool `refund`."""
    hooks: Any = importlib.import_module("strands.hooks")
    adapter: Any = importlib.import_module("ringback.agents.strands")
    registry = hooks.HookRegistry()
    registry.add_hook(adapter.Approvals(named, within=WITHIN))
    agent = SimpleNamespace(tool_names=["refund"])
    await registry.invoke_callbacks_async(hooks.BeforeModelCallEvent(agent=agent))


async def before_a_tool(named: str) -> None:
    """Call ADK's callback for the tool `look` of an agent that has `refund` as well."""
    adapter: Any = importlib.import_module("ringback.agents.google_adk")
    refund, look = SimpleNamespace(name="refund"), SimpleNamespace(name="look")
    invocation = SimpleNamespace(canonical_tools_cache=[refund, look])
    context = SimpleNamespace(get_invocation_context=lambda: invocation)
    assert await adapter.approve_before(named, within=WITHIN)(look, {}, context) is None


@pytest.mark.parametrize(
    ("framework", "check"), [("Strands", before_the_model), ("Google ADK", before_a_tool)]
)
async def test_misspelled_tool_is_an_error_before_anything_runs(framework: str, check: Any) -> None:
    need(ELSEWHERE[framework])
    await check("refund")

    with pytest.raises(ValueError, match="the agent has no tool refnud, which people must approve"):
        await check("refnud")
