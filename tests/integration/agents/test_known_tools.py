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


@pytest.mark.parametrize(
    ("framework", "module", "guard"),
    [
        ("Strands", "ringback.agents.strands", "Approvals"),
        ("Google ADK", "ringback.agents.google_adk", "approve_before"),
    ],
)
def test_adapter_that_names_no_tool_is_an_error(framework: str, module: str, guard: str) -> None:
    need(ELSEWHERE[framework])

    with pytest.raises(ValueError, match="name at least one tool"):
        getattr(importlib.import_module(module), guard)(within=WITHIN)


@pytest.mark.parametrize(
    ("spelled", "tool", "is_guarded"),
    [
        ("pay_back", "pay_back", True),
        ("pay-back", "pay_back", True),
        ("pay_back", "pay-back", True),
        ("look", "look", False),
    ],
)
async def test_tool_that_strands_finds_by_another_spelling_is_guarded(
    spelled: str, tool: str, *, is_guarded: bool
) -> None:
    need(ELSEWHERE["Strands"])
    hooks: Any = importlib.import_module("strands.hooks")
    adapter: Any = importlib.import_module("ringback.agents.strands")
    registry = hooks.HookRegistry()
    registry.add_hook(adapter.Approvals("pay_back", within=WITHIN))
    event = hooks.BeforeToolCallEvent(
        agent=SimpleNamespace(),
        selected_tool=SimpleNamespace(tool_name=tool),
        tool_use={"name": spelled, "toolUseId": "c0", "input": "no object"},
        invocation_state={},
    )

    await registry.invoke_callbacks_async(event)

    assert bool(event.cancel_tool) is is_guarded
