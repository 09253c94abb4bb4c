"""A Deep Agent refunds money once a person has approved the call.

    ringback serve                                           the gateway, which delivers decisions
    python examples/deep_agents.py worker                    runs the agent and its tool
    python examples/deep_agents.py refund 17 250             sends the agent a message

The worker's terminal shows the link of the page on which a person approves, changes the arguments,
or rejects. A terminal can do the same:

    ringback approve cb_… --form '{"order": "17", "euros": 100}'
    ringback reject cb_… --reason "too much"

The model is a script, so that no account is needed: it calls the tool, and repeats what it is told.
It needs a Temporal server at TEMPORAL_ADDRESS, or at localhost:7233, and
`pip install temporalio-deepagents`.
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

from deepagents import create_deep_agent
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from temporalio import workflow
from temporalio.client import Client
from temporalio.deepagents import DeepAgentsPlugin, tool_as_activity
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

from ringback import Callback, RingbackPlugin
from ringback.agents import ToolCall, approvals
from ringback.agents.langgraph import answer_interrupts

TASK_QUEUE = "deep-agents"


@tool("refund")
async def pay_back(order: str, euros: int) -> str:
    """Pay money back for an order."""
    return f"refunded {euros} euros for order {order}"


refund = tool_as_activity(pay_back, start_to_close_timeout=timedelta(seconds=30))


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
        agent = create_deep_agent(
            model="scripted",
            tools=[refund],
            interrupt_on={refund.name: True},
            checkpointer=InMemorySaver(),
        )
        config: RunnableConfig = {"configurable": {"thread_id": "refunds"}}
        result = await agent.ainvoke({"messages": [HumanMessage(message)]}, config)
        result = await answer_interrupts(
            agent, result, config, tools=[refund], within=timedelta(hours=24)
        )
        return str(result["messages"][-1].content)


class ScriptedModel(BaseChatModel):
    """Calls the tool with the message's arguments, and repeats the tool's output."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, *_: Any, **__: Any) -> Any:
        """Offer the tools: the script knows them."""
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        outputs = [str(one.content) for one in messages if isinstance(one, ToolMessage)]
        if outputs:
            reply = AIMessage(f"The tool said: {outputs[-1]}")
        else:
            message = next(one for one in messages if isinstance(one, HumanMessage))
            call = {"name": "refund", "args": json.loads(str(message.content)), "id": "call_1"}
            reply = AIMessage("", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=reply)])


async def work() -> None:
    """Run the worker until Ctrl+C."""
    # For a real model: only the activity options, and its name instead of "scripted" above.
    plugin = DeepAgentsPlugin(
        model_provider=lambda _: ScriptedModel(),
        model_activity_options={"start_to_close_timeout": timedelta(minutes=1)},
    )
    worker = Worker(
        await connect(RingbackPlugin(), plugin),
        task_queue=TASK_QUEUE,
        workflows=[RefundAgent],
        activities=[approvals(send_link)],
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
