"""An agent of the OpenAI Agents SDK with a scripted model."""

import json
from datetime import timedelta
from typing import Any

from agents import (
    Agent,
    Model,
    ModelResponse,
    Runner,
    ToolGuardrailFunctionOutput,
    ToolInputGuardrailData,
    ToolOutputImage,
    Usage,
    function_tool,
    tool_input_guardrail,
)
from agents.tool_context import ToolContext
from openai.types.responses import ResponseFunctionToolCall
from temporalio import workflow
from temporalio.openai_agents import ModelActivityParameters, OpenAIAgentsPlugin
from temporalio.openai_agents.testing import ResponseBuilders, TestModelProvider
from temporalio.openai_agents.workflow import activity_as_tool
from temporalio.plugin import SimplePlugin

from ringback.agents.openai import approved_tool
from tests.integration.agents.refunds import ping, refund, to_next_calls, tool_name


class Scripted(Model):
    """Makes the calls of the prompt, and replies with their outputs."""

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        given = kwargs["input"] if "input" in kwargs else args[1]
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        outputs = [one["output"] for one in items if one.get("type") == "function_call_output"]
        next_calls = to_next_calls(items[0]["content"], len(outputs))
        if not next_calls:
            return ResponseBuilders.output_message(json.dumps(outputs))
        calls = [
            ResponseFunctionToolCall(
                arguments=json.dumps(arguments) if arguments else "",
                call_id=call_id,
                name=tool_name(items[0]["content"]),
                type="function_call",
                id=f"item_{call_id}_{len(outputs)}",
                status="completed",
            )
            for call_id, arguments in next_calls
        ]
        return ModelResponse(output=[*calls], usage=Usage(), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


@tool_input_guardrail
def at_most_100(data: ToolInputGuardrailData) -> ToolGuardrailFunctionOutput:
    """Reject large amounts."""
    if json.loads(data.context.tool_arguments)["euros"] > 100:
        return ToolGuardrailFunctionOutput.reject_content("at most 100 euros")
    return ToolGuardrailFunctionOutput.allow()


@function_tool(tool_input_guardrails=[at_most_100])
async def spend(context: ToolContext[None], euros: int) -> str:
    """Spend money."""
    return f"spent {euros} of {context.tool_arguments}"


@function_tool
async def photo(name: str) -> ToolOutputImage:
    """Return a photo."""
    return ToolOutputImage(image_url=f"https://photos.example/{name}")


@workflow.defn
class OpenAIAgent:
    """Runs the agent."""

    @workflow.run
    async def run(self, text: str, seconds: float) -> str:
        in_activities = [
            activity_as_tool(each, start_to_close_timeout=timedelta(seconds=10))
            for each in (refund, ping)
        ]
        tools = [
            approved_tool(each, within=timedelta(seconds=seconds))
            for each in (*in_activities, spend, photo)
        ]
        agent = Agent[None](name="refunds", model="scripted", tools=[*tools])
        return str((await Runner.run(agent, text)).final_output)


def plugins() -> list[SimplePlugin]:
    """Return the framework's plugins."""
    parameters = ModelActivityParameters(start_to_close_timeout=timedelta(seconds=20))
    return [
        OpenAIAgentsPlugin(model_params=parameters, model_provider=TestModelProvider(Scripted()))
    ]
