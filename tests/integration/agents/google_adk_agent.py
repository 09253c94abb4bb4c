"""An agent of Google's ADK with a scripted model."""

import json
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

from google.adk.agents import Agent
from google.adk.models import BaseLlm, LLMRegistry
from google.adk.models.llm_request import LlmRequest
from google.adk.models.llm_response import LlmResponse
from google.adk.runners import InMemoryRunner
from google.adk.tools.function_tool import FunctionTool
from google.genai import types
from temporalio import workflow
from temporalio.google_adk import GoogleAdkPlugin, TemporalModel
from temporalio.google_adk.workflow import activity_as_tool
from temporalio.plugin import SimplePlugin

from ringback.agents.google_adk import approve_before
from tests.integration.agents.refunds import TOOLS, approved, to_next_calls, tool_name


class Scripted(BaseLlm):
    """Makes the calls of the prompt, and replies with their outputs."""

    @classmethod
    def supported_models(cls) -> list[str]:
        return ["scripted"]

    async def generate_content_async(
        self,
        llm_request: LlmRequest,
        stream: bool = False,  # noqa: FBT001, FBT002 - the base class's
    ) -> AsyncGenerator[LlmResponse, None]:
        del stream
        parts = [part for content in llm_request.contents for part in content.parts or ()]
        outputs = [
            to_output(part.function_response.response or {})
            for part in parts
            if part.function_response is not None
        ]
        prompt = parts[0].text or ""
        calls = [
            types.Part(
                function_call=types.FunctionCall(id=call_id, name=tool_name(prompt), args=given)
            )
            for call_id, given in to_next_calls(prompt, len(outputs))
        ]
        reply = calls or [types.Part(text=json.dumps(outputs))]
        yield LlmResponse(content=types.Content(role="model", parts=reply))


def to_output(response: dict[str, Any]) -> Any:
    """Return what ADK has put into a response."""
    if response.keys() == {"result"}:
        return response["result"]
    return json.dumps(response, ensure_ascii=False)


@workflow.defn
class GoogleAdkAgent:
    """Runs the agent."""

    @workflow.run
    async def run(self, text: str, seconds: float) -> str:
        tool = FunctionTool(
            activity_as_tool(TOOLS[tool_name(text)], start_to_close_timeout=timedelta(seconds=10)),
            require_confirmation=json.loads(text).get("confirm", False),
        )
        agent = Agent(
            name="refunds",
            model=TemporalModel("scripted"),
            tools=[tool],
            before_tool_callback=approve_before(*approved(text), within=timedelta(seconds=seconds)),
        )
        runner = InMemoryRunner(agent=agent, app_name="refunds")
        session = await runner.session_service.create_session(app_name="refunds", user_id="u")
        message = types.Content(role="user", parts=[types.Part(text=text)])
        said = ""
        async for event in runner.run_async(
            user_id="u", session_id=session.id, new_message=message
        ):
            for part in (event.content and event.content.parts) or ():
                said = part.text or said
        return said


def plugins() -> list[SimplePlugin]:
    """Return the framework's plugins."""
    LLMRegistry.register(Scripted)
    return [GoogleAdkPlugin()]
