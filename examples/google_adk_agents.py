"""An agent of Google's ADK refunds money once a person has approved the call.

    ringback serve                                              the gateway: delivers decisions
    python examples/google_adk_agents.py worker                 runs the agent and its tool
    python examples/google_adk_agents.py refund 17 250          sends the agent a message

The worker's terminal shows the link of the page on which a person approves, changes the arguments,
or rejects. A terminal can do the same:

    ringback approve cb_… --form '{"order": "17", "euros": 100}'
    ringback reject cb_… --reason "too much"

The model is a script, so that no account is needed: it calls the tool, and repeats what it is told.
It needs a Temporal server at TEMPORAL_ADDRESS, or at localhost:7233, and
`pip install temporalio-google-adk`.
"""

import argparse
import asyncio
import atexit
import contextlib
import json
import time
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any
from uuid import uuid4

from google.adk.agents import Agent
from google.adk.models import BaseLlm, LLMRegistry
from google.adk.models.llm_request import LlmRequest
from google.adk.models.llm_response import LlmResponse
from google.adk.runners import InMemoryRunner
from google.genai import types
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.google_adk import GoogleAdkPlugin, TemporalModel
from temporalio.google_adk.workflow import activity_as_tool
from temporalio.worker import Worker

from ringback import Callback, RingbackPlugin
from ringback.agents import ToolCall, approvals
from ringback.agents.google_adk import approve_before

TASK_QUEUE = "google-adk-agents"


@activity.defn
async def refund(order: str, euros: int) -> str:
    """Pay money back for an order."""
    return f"refunded {euros} euros for order {order}"


async def send_link(call: ToolCall, callback: Callback) -> None:
    """Show the link here; a real worker sends a message. Whoever has the link can decide."""
    print(f"May {call.tool} run with {call.arguments}? {callback.id}", flush=True)
    print(f"Decide here: {callback.url}", flush=True)


@workflow.defn
class RefundAgent:
    """Runs the agent."""

    @workflow.run
    async def run(self, message: str) -> str:
        """Return the agent's last message."""
        agent = Agent(
            name="refunds",
            model=TemporalModel("scripted"),
            tools=[activity_as_tool(refund, start_to_close_timeout=timedelta(seconds=30))],
            before_tool_callback=approve_before("refund", within=timedelta(hours=24)),
        )
        runner = InMemoryRunner(agent=agent, app_name="refunds")
        session = await runner.session_service.create_session(app_name="refunds", user_id="me")
        reply = ""
        async for event in runner.run_async(
            user_id="me",
            session_id=session.id,
            new_message=types.Content(role="user", parts=[types.Part(text=message)]),
        ):
            if event.is_final_response() and event.content and event.content.parts:
                reply = event.content.parts[0].text or ""
        return reply


class ScriptedModel(BaseLlm):
    """Calls the tool with the message's arguments, and repeats the tool's output."""

    @classmethod
    def supported_models(cls) -> list[str]:
        """Return the names by which an agent finds it."""
        return ["scripted"]

    async def generate_content_async(
        self,
        llm_request: LlmRequest,
        stream: bool = False,  # noqa: FBT001, FBT002 - the base class's
    ) -> AsyncGenerator[LlmResponse, None]:
        """Yield the next message."""
        del stream
        parts = [part for content in llm_request.contents for part in content.parts or ()]
        response = parts[-1].function_response
        if response is None:
            arguments = json.loads(parts[0].text or "{}")
            call = types.FunctionCall(id="call_1", name="refund", args=arguments)
            part = types.Part(function_call=call)
        else:
            given = response.response or {}
            said = given["result"] if "result" in given else json.dumps(given)
            part = types.Part(text=f"The tool said: {said}")
        yield LlmResponse(content=types.Content(role="model", parts=[part]))


async def work() -> None:
    """Run the worker until Ctrl+C."""
    # Leave it out, and name a model of Gemini above, to call Google.
    LLMRegistry.register(ScriptedModel)
    client = await connect(RingbackPlugin(), GoogleAdkPlugin())
    worker = Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[RefundAgent],
        activities=[refund, approvals(send_link)],
    )
    print("Worker is running. Ctrl+C stops it.", flush=True)
    await worker.run()


async def send(order: str, euros: int) -> None:
    """Send the agent a message, and print its reply."""
    client = await connect()
    message = json.dumps({"order": order, "euros": euros})
    result = await client.execute_workflow(
        RefundAgent.run, message, id=f"refund-{uuid4()}", task_queue=TASK_QUEUE
    )
    print(result)


async def connect(*plugins: Any) -> Client:
    """Connect to the Temporal server."""
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    return await Client.connect(**config, plugins=plugins)


async def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description="An agent asks before it refunds.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("worker")
    message = commands.add_parser("refund")
    message.add_argument("order")
    message.add_argument("euros", type=int)
    arguments = parser.parse_args()
    if arguments.command == "worker":
        await work()
    else:
        await send(arguments.order, arguments.euros)


if __name__ == "__main__":
    # The SDK's threads end a moment after the last call. A program that is gone before them may
    # crash or hang while it ends, see https://github.com/temporalio/sdk-python/issues/300.
    atexit.register(time.sleep, 0.1)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
