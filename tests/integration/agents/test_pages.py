"""The program of each page about a framework, with a scripted model in place of the page's."""

import importlib
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.worker import Worker

from ringback import Callback
from ringback.agents import ToolCall, approvals
from ringback.settings import Settings
from tests.integration.agents.agent_env import agent_env
from tests.integration.env import GRACE

HOWTO = Path(__file__).parents[3] / "docs" / "howto"
PAGES = {
    "agents-strands": ("Strands", "claude"),
    "agents-google-adk": ("Google ADK", "gemini-3-pro-preview"),
    "agents-deep-agents": ("Deep Agents", "anthropic:claude-sonnet-4-5"),
}
"""The framework of each page, and the name of its model."""

pytestmark = [
    pytest.mark.server,
    pytest.mark.other_agents,
    pytest.mark.thorough,
    pytest.mark.timeout(60),
]


@pytest.mark.parametrize("page", PAGES)
async def test_program_of_the_page_asks_before_it_refunds(
    temporal_address: str,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    page: str,
) -> None:
    framework, model = PAGES[page]
    text = (HOWTO / f"{page}.md").read_text("utf-8")
    code = "\n\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    name = f"page_{page.replace('-', '_')}"
    async with agent_env(temporal_address, settings, framework) as env:
        (tmp_path / f"{name}.py").write_text(code.replace(f'"{model}"', '"scripted"'))
        monkeypatch.syspath_prepend(tmp_path)
        module: Any = importlib.import_module(name)

        # The plugin of Deep Agents has the activity of a tool.
        activities = [] if framework == "Deep Agents" else [module.refund]

        async def submit(call: ToolCall, callback: Callback) -> None:
            env.asked.put_nowait((call, callback))

        async with Worker(
            env.client,
            task_queue=env.task_queue,
            workflows=[module.RefundAgent],
            activities=[*activities, approvals(submit)],
            graceful_shutdown_timeout=GRACE,
        ):
            running = await env.client.start_workflow(
                module.RefundAgent.run,
                '{"calls": [{"order": "17", "euros": 250}]}',
                id=env.task_queue,
                task_queue=env.task_queue,
                execution_timeout=timedelta(seconds=60),
            )
            _, callback = await env.question()
            form = {"order": "17", "euros": 100}
            await env.send(callback, {"approved": True, "form": form})
            reply = await running.result()

    assert '{\\"order\\": \\"17\\", \\"euros\\": 100}' in reply
    assert "refunded 100 euros for order 17" in reply
