"""The program of the page about LangGraph, with a scripted model in place of LangChain's."""

import importlib
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from ringback import Callback
from ringback.agents import ToolCall, approvals
from ringback.settings import Settings
from tests.integration.agents.agent_env import agent_env
from tests.integration.env import GRACE, plugin_for

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "agents-langgraph.md"
MODEL = """
import json
from langchain_core.messages import AIMessage, ToolMessage

class Scripted:
    def bind_tools(self, tools):
        return self

    async def ainvoke(self, messages):
        outputs = [one.content for one in messages if isinstance(one, ToolMessage)]
        if outputs:
            return AIMessage(outputs[-1])
        call = {"name": "refund", "args": json.loads(messages[0].content), "id": "call_1"}
        return AIMessage("", tool_calls=[call])

def init_chat_model(name):
    return Scripted()
"""

pytestmark = [pytest.mark.server, pytest.mark.thorough, pytest.mark.timeout(60)]


async def test_program_of_the_page_asks_before_it_refunds(
    temporal_address: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (tmp_path / "refund_agent.py").write_text(code)
    (tmp_path / "langchain").mkdir()
    (tmp_path / "langchain" / "__init__.py").touch()
    (tmp_path / "langchain" / "chat_models.py").write_text(MODEL)
    monkeypatch.syspath_prepend(tmp_path)
    module: Any = importlib.import_module("refund_agent")

    async with agent_env(temporal_address, settings, "LangGraph") as env:
        client = await Client.connect(
            temporal_address,
            plugins=[
                plugin_for(settings),
                module.LangGraphPlugin(graphs={"refunds": module.refunds}),
            ],
            data_converter=pydantic_data_converter,
        )

        async def submit(call: ToolCall, callback: Callback) -> None:
            env.asked.put_nowait((call, callback))

        async with Worker(
            client,
            task_queue=env.task_queue,
            workflows=[module.RefundAgent],
            activities=[module.pay_back, approvals(submit)],
            graceful_shutdown_timeout=GRACE,
        ):
            running = await client.start_workflow(
                module.RefundAgent.run,
                json.dumps({"order": "17", "euros": 250}),
                id=env.task_queue,
                task_queue=env.task_queue,
                execution_timeout=timedelta(seconds=60),
            )
            _, callback = await env.question()
            form = {"order": "17", "euros": 100}
            await env.send(callback, {"approved": True, "form": form})
            reply = await running.result()

    assert 'refund ran with {"order": "17", "euros": 100}' in reply
    assert "refunded 100 euros for order 17" in reply
