"""The program of each page about a framework, with a scripted model in place of the page's."""

import importlib
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from ringback import Callback
from ringback.agents import ToolCall, approvals
from ringback.settings import Settings
from tests.integration.agents.agent_env import ELSEWHERE, AgentEnv, agent_env
from tests.integration.env import GRACE

HOWTO = Path(__file__).parents[3] / "docs" / "howto"
PAGES = {
    "OpenAI Agents": "agents-openai",
    "Pydantic AI": "agents-pydantic-ai",
    "Strands": "agents-strands",
    "Google ADK": "agents-google-adk",
    "Deep Agents": "agents-deep-agents",
}
MODELS = {
    "Pydantic AI": ('"openai:gpt-5"', "FunctionModel(scripted)"),
    "Strands": ('"claude"', '"scripted"'),
    "Google ADK": ('"gemini-3-pro-preview"', '"scripted"'),
    "Deep Agents": ('"anthropic:claude-sonnet-4-5"', '"scripted"'),
}
"""The model of each page, and what stands in its place; the plugin of OpenAI's agents has it."""
SCRIPTED = """
from pydantic_ai.models.function import FunctionModel
from tests.integration.agents.pydantic_ai_agent import scripted
"""
HAVE_THE_ACTIVITY = {"Deep Agents", "Pydantic AI"}
"""The frameworks whose plugin registers the activity of a tool."""

pytestmark = [pytest.mark.server, pytest.mark.thorough, pytest.mark.timeout(60)]


def program_of(framework: str) -> str:
    """Return the program of the framework's page, with the scripted model."""
    text = (HOWTO / f"{PAGES[framework]}.md").read_text("utf-8")
    code = "\n\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    if framework in MODELS:
        model, scripted = MODELS[framework]
        assert model in code
        code = code.replace(model, scripted)
    return f"{SCRIPTED}\n{code}" if framework == "Pydantic AI" else code


async def reply_to_change(
    env: AgentEnv, client: Client, module: Any, activities: Sequence[Any], message: str
) -> str:
    """Send the agent of a page a message, change its call to 100 euros; return what it replies."""

    async def submit(call: ToolCall, callback: Callback) -> None:
        env.asked.put_nowait((call, callback))

    async with Worker(
        client,
        task_queue=env.task_queue,
        workflows=[module.RefundAgent],
        activities=[*activities, approvals(submit)],
        graceful_shutdown_timeout=GRACE,
    ):
        running = await client.start_workflow(
            module.RefundAgent.run,
            message,
            id=env.task_queue,
            task_queue=env.task_queue,
            execution_timeout=timedelta(seconds=60),
        )
        _, callback = await env.question()
        form = {"order": "17", "euros": 100}
        await env.send(callback, {"approved": True, "form": form})
        return str(await running.result())


@pytest.mark.parametrize(
    "framework",
    [
        pytest.param(name, marks=pytest.mark.other_agents if name in ELSEWHERE else ())
        for name in PAGES
    ],
)
async def test_program_of_the_page_asks_before_it_refunds(
    temporal_address: str,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    framework: str,
) -> None:
    name = f"page_{PAGES[framework].replace('-', '_')}"
    async with agent_env(temporal_address, settings, framework) as env:
        (tmp_path / f"{name}.py").write_text(program_of(framework))
        monkeypatch.syspath_prepend(tmp_path)
        module: Any = importlib.import_module(name)

        activities = [] if framework in HAVE_THE_ACTIVITY else [module.refund]

        message = '{"calls": [{"order": "17", "euros": 250}]}'
        reply = await reply_to_change(env, env.client, module, activities, message)

    assert '{\\"order\\": \\"17\\", \\"euros\\": 100}' in reply
    assert "refunded 100 euros for order 17" in reply
