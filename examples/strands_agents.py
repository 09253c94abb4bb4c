"""An agent of Strands Agents refunds money once a person has approved the call.

    ringback serve                                           the gateway, which delivers decisions
    python examples/strands_agents.py worker                 runs the agent and its tool
    python examples/strands_agents.py refund 17 250          sends the agent a message

The worker's terminal shows the link of the page on which a person approves, changes the arguments,
or rejects. A terminal can do the same:

    ringback approve cb_… --form '{"order": "17", "euros": 100}'
    ringback reject cb_… --reason "too much"

The model is a script, so that no account is needed: it calls the tool, and repeats what it is told.
It needs a Temporal server at TEMPORAL_ADDRESS, or at localhost:7233, and
`pip install temporalio-strands-agents`.
"""

import argparse
import asyncio
import atexit
import contextlib
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

from strands.models import Model
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.strands_agents import StrandsPlugin, TemporalAgent
from temporalio.strands_agents.workflow import activity_as_tool
from temporalio.worker import Worker

from ringback import Callback, RingbackPlugin
from ringback.agents import ToolCall, approvals
from ringback.agents.strands import Approvals

TASK_QUEUE = "strands-agents"


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
        agent = TemporalAgent(
            model="scripted",
            start_to_close_timeout=timedelta(minutes=1),
            tools=[activity_as_tool(refund, start_to_close_timeout=timedelta(seconds=30))],
            hooks=[Approvals("refund", within=timedelta(hours=24))],
            callback_handler=None,
        )
        return str(await agent.invoke_async(message)).strip()


class ScriptedModel(Model):
    """Calls the tool with the message's arguments, and repeats the tool's output."""

    def update_config(self, **_: Any) -> None:
        """Do nothing: the script has no settings."""

    def get_config(self) -> dict[str, Any]:
        """Return no settings."""
        return {}

    def structured_output(self, *_: Any, **__: Any) -> Any:
        """Do nothing: the script makes text."""
        raise NotImplementedError

    async def stream(self, messages: Any, *_: Any, **__: Any) -> AsyncIterator[Any]:
        """Yield the next message."""
        yield {"messageStart": {"role": "assistant"}}
        if len(messages) == 1:
            tool = {"name": "refund", "toolUseId": "call_1"}
            yield {"contentBlockStart": {"start": {"toolUse": tool}}}
            arguments = {"input": messages[0]["content"][0]["text"]}
            yield {"contentBlockDelta": {"delta": {"toolUse": arguments}}}
        else:
            output = messages[-1]["content"][0]["toolResult"]["content"]
            said = "\n\n".join(part["text"] for part in output)
            yield {"contentBlockDelta": {"delta": {"text": f"The tool said: {said}"}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "tool_use" if len(messages) == 1 else "end_turn"}}


async def work() -> None:
    """Run the worker until Ctrl+C."""
    # For a real model: {"claude": BedrockModel}, and model="claude" above.
    client = await connect(RingbackPlugin(), StrandsPlugin(models={"scripted": ScriptedModel}))
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
