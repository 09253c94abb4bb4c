"""An agent of Pydantic AI with a scripted model."""

import json
from datetime import timedelta

from pydantic_ai import Agent, FunctionToolset
from pydantic_ai.durable_exec.temporal import (
    PydanticAIPlugin,
    PydanticAIWorkflow,
    TemporalDurability,
)
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    RetryPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel
from temporalio import workflow
from temporalio.plugin import SimplePlugin

from ringback.agents.pydantic_ai import Approvals
from tests.integration.agents.refunds import to_next_calls

tools: FunctionToolset[None] = FunctionToolset(id="refunds")


@tools.tool_plain(requires_approval=True)
async def refund(order: str, euros: int) -> str:
    """Pay money back."""
    return f"refunded {order} {euros}"


async def scripted(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
    """Make the calls of the prompt, and reply with their outputs."""
    parts = [part for message in messages for part in message.parts]
    outputs = [
        part.content if isinstance(part, ToolReturnPart) else part.model_response()
        for part in parts
        if isinstance(part, ToolReturnPart | RetryPromptPart)
    ]
    (prompt,) = [str(part.content) for part in parts if isinstance(part, UserPromptPart)]
    calls = to_next_calls(prompt, len(outputs))
    if not calls:
        return ModelResponse(parts=[TextPart(json.dumps(outputs))])
    return ModelResponse(
        parts=[ToolCallPart("refund", arguments, call_id) for call_id, arguments in calls]
    )


def build(seconds: float) -> Agent[None, str]:
    """Return an agent whose people have so many seconds."""
    within = timedelta(seconds=seconds)
    return Agent(
        FunctionModel(scripted),
        name="refunds" if seconds > SHORT else "hasty_refunds",
        toolsets=[tools],
        capabilities=[TemporalDurability(), Approvals(within=within)],
    )


SHORT = 2.0
agent, hasty_agent = build(60), build(SHORT)


@workflow.defn
class PydanticAIAgent(PydanticAIWorkflow):
    """Runs the agent."""

    __pydantic_ai_agents__ = (agent, hasty_agent)

    @workflow.run
    async def run(self, text: str, seconds: float) -> str:
        chosen = agent if seconds > SHORT else hasty_agent
        return (await chosen.run(text)).output


def plugins() -> list[SimplePlugin]:
    """Return the framework's plugins."""
    return [PydanticAIPlugin()]
