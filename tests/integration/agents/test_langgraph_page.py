"""The program of the page about LangGraph, with a scripted model in place of LangChain's."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from ringback.settings import Settings
from tests.integration.agents.agent_env import agent_env
from tests.integration.agents.test_pages import reply_to_change
from tests.integration.env import plugin_for

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

        message = json.dumps({"order": "17", "euros": 250})
        reply = await reply_to_change(env, client, module, [module.pay_back], message)

    assert 'refund ran with {"order": "17", "euros": 100}' in reply
    assert "refunded 100 euros for order 17" in reply
