"""An agent of Pydantic AI whose tool waits itself."""

from typing import Any

from pydantic_ai import Agent, FunctionToolset
from pydantic_ai.durable_exec.temporal import (
    PydanticAIPlugin,
    PydanticAIWorkflow,
    TemporalDurability,
)
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from temporalio import workflow
from temporalio.plugin import SimplePlugin

from ringback import Callback, wait_for_callback

SUBMITTED: list[Callback] = []


async def submit(callback: Callback) -> None:
    """Remember that somebody was asked."""
    SUBMITTED.append(callback)


tools: FunctionToolset[None] = FunctionToolset(id="waiting")


@tools.tool_plain
async def ask_person() -> dict[str, Any]:
    """Wait in the tool."""
    return await wait_for_callback(submit, dict[str, Any])


async def call_tool(_: list[ModelMessage], __: AgentInfo) -> ModelResponse:
    return ModelResponse(parts=[ToolCallPart("ask_person", {}, "c0")])


agent = Agent(
    FunctionModel(call_tool), name="naive", toolsets=[tools], capabilities=[TemporalDurability()]
)


@workflow.defn
class WaitInTool(PydanticAIWorkflow):
    """Runs an agent of Pydantic AI whose tool waits."""

    __pydantic_ai_agents__ = (agent,)

    @workflow.run
    async def run(self) -> str:
        return (await agent.run("refund")).output


def plugins() -> list[SimplePlugin]:
    """Return the framework's plugins."""
    return [PydanticAIPlugin()]
