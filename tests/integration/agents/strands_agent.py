"""An agent of Strands with a scripted model."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from strands.models import Model
from temporalio import workflow
from temporalio.plugin import SimplePlugin
from temporalio.strands_agents import StrandsPlugin, TemporalAgent
from temporalio.strands_agents.workflow import activity_as_tool

from ringback.agents.strands import Approvals
from tests.integration.agents.refunds import TOOLS, approved, to_next_calls, tool_name


class Scripted(Model):
    """Makes the calls of the prompt, and replies with their outputs."""

    def update_config(self, **_: Any) -> None:
        """Do nothing."""

    def get_config(self) -> dict[str, Any]:
        return {}

    def structured_output(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    async def stream(self, messages: Any, *_: Any, **__: Any) -> AsyncIterator[Any]:
        blocks = [block for message in messages for block in message["content"]]
        outputs = [
            "\n\n".join(part["text"] for part in block["toolResult"]["content"])
            for block in blocks
            if "toolResult" in block
        ]
        calls = to_next_calls(blocks[0]["text"], len(outputs))
        yield {"messageStart": {"role": "assistant"}}
        for call_id, arguments in calls:
            named = {"name": tool_name(blocks[0]["text"]), "toolUseId": call_id}
            given = {"input": json.dumps(arguments)}
            yield {"contentBlockStart": {"start": {"toolUse": named}}}
            yield {"contentBlockDelta": {"delta": {"toolUse": given}}}
            yield {"contentBlockStop": {}}
        if not calls:
            yield {"contentBlockDelta": {"delta": {"text": json.dumps(outputs)}}}
            yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "tool_use" if calls else "end_turn"}}


@workflow.defn
class StrandsAgent:
    """Runs the agent."""

    @workflow.run
    async def run(self, text: str, seconds: float) -> str:
        tool = TOOLS[tool_name(text)]
        agent = TemporalAgent(
            model="scripted",
            start_to_close_timeout=timedelta(seconds=20),
            tools=[activity_as_tool(tool, start_to_close_timeout=timedelta(seconds=10))],
            hooks=[Approvals(*approved(text), within=timedelta(seconds=seconds))],
            callback_handler=None,
        )
        return str(await agent.invoke_async(text)).strip()


def plugins() -> list[SimplePlugin]:
    """Return the framework's plugins."""
    return [StrandsPlugin(models={"scripted": Scripted})]
