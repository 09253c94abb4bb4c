"""An agent of the OpenAI Agents SDK with a scripted model."""

import json
from datetime import timedelta
from typing import Any

from agents import Agent, Model, ModelResponse, Runner, Usage
from openai.types.responses import ResponseFunctionToolCall
from temporalio import workflow
from temporalio.openai_agents import ModelActivityParameters, OpenAIAgentsPlugin
from temporalio.openai_agents.testing import ResponseBuilders, TestModelProvider
from temporalio.openai_agents.workflow import activity_as_tool
from temporalio.plugin import SimplePlugin

from ringback.agents.openai import approved_tool
from tests.integration.agents.refunds import refund, to_next_calls


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
                arguments=json.dumps(arguments),
                call_id=call_id,
                name="refund",
                type="function_call",
                id=f"item_{call_id}_{len(outputs)}",
                status="completed",
            )
            for call_id, arguments in next_calls
        ]
        return ModelResponse(output=[*calls], usage=Usage(), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


@workflow.defn
class OpenAIAgent:
    """Runs the agent."""

    @workflow.run
    async def run(self, text: str, seconds: float) -> str:
        tool = approved_tool(
            activity_as_tool(refund, start_to_close_timeout=timedelta(seconds=10)),
            within=timedelta(seconds=seconds),
        )
        agent = Agent[None](name="refunds", model="scripted", tools=[tool])
        return str((await Runner.run(agent, text)).final_output)


def plugins() -> list[SimplePlugin]:
    """Return the framework's plugins."""
    parameters = ModelActivityParameters(start_to_close_timeout=timedelta(seconds=20))
    return [
        OpenAIAgentsPlugin(model_params=parameters, model_provider=TestModelProvider(Scripted()))
    ]
