"""An agent of LangGraph refunds money once a person has approved the call.

    ringback serve                                          the gateway, which delivers decisions
    python examples/langgraph_agents.py worker               runs the agent and its tool
    python examples/langgraph_agents.py refund 17 250        sends the agent a message

The worker's terminal shows the link of the page on which a person approves, changes the arguments,
or rejects. A terminal can do the same:

    ringback approve cb_… --form '{"order": "17", "euros": 100}'
    ringback reject cb_… --reason "too much"

The model is a script, so that no account is needed: it calls the tool, and repeats what it is told.
It needs a Temporal server at TEMPORAL_ADDRESS, or at localhost:7233, and
`pip install temporalio-langgraph`.
"""

import argparse
import asyncio
import atexit
import contextlib
import importlib
import json
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage, convert_to_messages
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.langgraph import LangGraphPlugin, graph
from temporalio.worker import Worker

from ringback import Callback, RingbackPlugin
from ringback.agents import Approval, ToolCall, approvals
from ringback.agents.langgraph import ask_about, to_message

TASK_QUEUE = "langgraph-agents"


@activity.defn
async def pay_back(order: str, euros: int) -> str:
    """Pay money back for an order."""
    return f"refunded {euros} euros for order {order}"


@tool
def refund(order: str, euros: int) -> str:
    """Pay money back for an order."""
    # The model is offered this tool; the node `tools` runs the activity instead.
    raise NotImplementedError


async def call_model(state: MessagesState) -> dict[str, Any]:
    """Call the tool with the message's arguments, and repeat the tool's output.

    A real node calls `model.bind_tools([refund])` here.
    """
    messages = convert_to_messages(state["messages"])
    outputs = [one.content for one in messages if isinstance(one, ToolMessage)]
    if outputs:
        return {"messages": [AIMessage(f"The tool said: {outputs[-1]}")]}
    arguments = json.loads(str(messages[0].content))
    call = {"name": "refund", "args": arguments, "id": "call_1"}
    return {"messages": [AIMessage("", tool_calls=[call])]}


async def run_tools(state: MessagesState) -> dict[str, Any]:
    """Ask about all calls at once, and run what people approve."""
    message = state["messages"][-1]
    assert isinstance(message, AIMessage)
    asked = await ask_about(message, [refund], within=timedelta(hours=24))
    return {"messages": [await run_tool(approval) for approval in asked]}


async def run_tool(approval: Approval) -> ToolMessage:
    """Run the tool with the arguments that were approved."""
    if not approval.approved:
        return to_message(approval)
    result = await workflow.execute_activity(
        pay_back,
        args=[approval.arguments["order"], approval.arguments["euros"]],
        start_to_close_timeout=timedelta(seconds=30),
    )
    return to_message(approval, result)


async def choose_next(state: MessagesState) -> str:
    """Return the node after the model."""
    message = state["messages"][-1]
    return "tools" if isinstance(message, AIMessage) and message.tool_calls else END


def build_graph() -> Any:
    """Return the graph: the model runs in activities, and the workflow asks people."""
    built = StateGraph(MessagesState)
    in_activity = {"execute_in": "activity", "start_to_close_timeout": timedelta(minutes=1)}
    built.add_node("model", call_model, metadata=in_activity)
    built.add_node("tools", run_tools, metadata={"execute_in": "workflow"})
    built.add_edge(START, "model")
    built.add_conditional_edges("model", choose_next, ["tools", END])
    built.add_edge("tools", "model")
    return built


@workflow.defn
class RefundAgent:
    """Runs the graph."""

    @workflow.run
    async def run(self, message: str) -> str:
        """Return the agent's last message."""
        state = {"messages": [HumanMessage(message)]}
        result = await graph("refunds").compile().ainvoke(state)
        return str(result["messages"][-1].content)


async def send_link(call: ToolCall, callback: Callback) -> None:
    """Show the link here; a real worker sends a message. Whoever has the link can decide."""
    print(f"May {call.tool} run with {call.arguments}? {callback.id}", flush=True)
    print(f"Decide here: {callback.url}", flush=True)


async def work() -> None:
    """Run the worker until Ctrl+C."""
    client = await connect(RingbackPlugin(), LangGraphPlugin(graphs={"refunds": build_graph()}))
    worker = Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[RefundAgent],
        activities=[pay_back, approvals(send_link)],
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
    # LangChain's messages are models of pydantic.
    return await Client.connect(**config, plugins=plugins, data_converter=pydantic_data_converter)


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
        # LangGraph's plugin runs nodes of a module with a name, which `__main__` is not.
        asyncio.run(importlib.import_module("langgraph_agents").main())
