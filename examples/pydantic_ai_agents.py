"""An agent of Pydantic AI refunds money once a person has approved the call.

    ringback serve                                          the gateway, which delivers decisions
    python examples/pydantic_ai_agents.py worker             runs the agent and its tool
    python examples/pydantic_ai_agents.py refund 17 250      sends the agent a message

The worker's terminal shows the link of the page on which a person approves, changes the arguments,
or rejects. A terminal can do the same:

    ringback approve cb_… --form '{"order": "17", "euros": 100}'
    ringback reject cb_… --reason "too much"

The model is a script, so that no account is needed: it calls the tool, and repeats what it is told.
It needs a Temporal server at TEMPORAL_ADDRESS, or at localhost:7233, and
`pip install 'pydantic-ai-slim[temporal]'`.
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

from pydantic_ai import Agent, FunctionToolset
from pydantic_ai.durable_exec.temporal import (
    PydanticAIPlugin,
    PydanticAIWorkflow,
    TemporalDurability,
)
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel
from temporalio import workflow
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

from ringback import Callback, RingbackPlugin
from ringback.agents import ToolCall, approvals
from ringback.agents.pydantic_ai import Approvals

TASK_QUEUE = "pydantic-ai-agents"

tools: FunctionToolset[None] = FunctionToolset(id="refunds")


@tools.tool_plain(requires_approval=True)
async def refund(order: str, euros: int) -> str:
    """Pay money back for an order."""
    return f"refunded {euros} euros for order {order}"


async def scripted_model(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
    """Call the tool with the message's arguments, and repeat the tool's output."""
    parts = [part for message in messages for part in message.parts]
    outputs = [part.content for part in parts if isinstance(part, ToolReturnPart)]
    if outputs:
        return ModelResponse(parts=[TextPart(f"The tool said: {outputs[-1]}")])
    (prompt,) = [str(part.content) for part in parts if isinstance(part, UserPromptPart)]
    return ModelResponse(parts=[ToolCallPart("refund", json.loads(prompt), "call_1")])


agent = Agent(
    # "openai:gpt-5", for example.
    FunctionModel(scripted_model),
    name="refunds",
    instructions="Refund orders.",
    toolsets=[tools],
    capabilities=[TemporalDurability(), Approvals(within=timedelta(hours=24))],
)


@workflow.defn
class RefundAgent(PydanticAIWorkflow):
    """Runs the agent."""

    __pydantic_ai_agents__ = (agent,)

    @workflow.run
    async def run(self, message: str) -> str:
        """Return the agent's last message."""
        return (await agent.run(message)).output


async def send_link(call: ToolCall, callback: Callback) -> None:
    """Show the link here; a real worker sends a message. Whoever has the link can decide."""
    print(f"May {call.tool} run with {call.arguments}? {callback.id}", flush=True)
    print(f"Decide here: {callback.url}", flush=True)


async def work() -> None:
    """Run the worker until Ctrl+C."""
    client = await connect(RingbackPlugin(), PydanticAIPlugin())
    worker = Worker(
        client, task_queue=TASK_QUEUE, workflows=[RefundAgent], activities=[approvals(send_link)]
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
