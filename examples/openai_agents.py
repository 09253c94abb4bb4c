"""An agent of the OpenAI Agents SDK refunds money once a person has approved the call.

    ringback serve                                          the gateway, which delivers decisions
    python examples/openai_agents.py worker                 runs the agent and its tool
    python examples/openai_agents.py refund 17 250          sends the agent a message

The worker's terminal shows the link of the page on which a person approves, changes the arguments,
or rejects. A terminal can do the same:

    ringback approve cb_… --form '{"order": "17", "euros": 100}'
    ringback reject cb_… --reason "too much"

The model is a script, so that no account is needed: it calls the tool, and repeats what it is told.
It needs a Temporal server at TEMPORAL_ADDRESS, or at localhost:7233, and
`pip install temporalio-openai-agents`.
"""

import argparse
import asyncio
import atexit
import contextlib
import json
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

from agents import Agent, Model, ModelResponse, Runner
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.openai_agents import ModelActivityParameters, OpenAIAgentsPlugin
from temporalio.openai_agents.testing import ResponseBuilders, TestModelProvider
from temporalio.openai_agents.workflow import activity_as_tool
from temporalio.worker import Worker

from ringback import Callback, RingbackPlugin
from ringback.agents import ToolCall, approvals
from ringback.agents.openai import approved_tool

TASK_QUEUE = "openai-agents"


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
        tool = approved_tool(
            activity_as_tool(refund, start_to_close_timeout=timedelta(seconds=30)),
            within=timedelta(hours=24),
        )
        agent = Agent[None](name="refunds", instructions="Refund orders.", tools=[tool])
        return str((await Runner.run(agent, message)).final_output)


class ScriptedModel(Model):
    """Calls the tool with the message's arguments, and repeats the tool's output."""

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Return the next message."""
        given = kwargs["input"] if "input" in kwargs else args[1]
        items = [{"content": given}] if isinstance(given, str) else given
        outputs = [one["output"] for one in items if one.get("type") == "function_call_output"]
        if outputs:
            return ResponseBuilders.output_message(f"The tool said: {outputs[-1]}")
        return ResponseBuilders.tool_call(items[0]["content"], "refund", call_id="call_1")

    def stream_response(self, *_: Any, **__: Any) -> Any:
        """Do nothing: the script has no stream."""
        raise NotImplementedError


async def work() -> None:
    """Run the worker until Ctrl+C."""
    agents_plugin = OpenAIAgentsPlugin(
        model_params=ModelActivityParameters(start_to_close_timeout=timedelta(minutes=1)),
        # Leave it out to call OpenAI.
        model_provider=TestModelProvider(ScriptedModel()),
    )
    client = await connect(RingbackPlugin(), agents_plugin)
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
