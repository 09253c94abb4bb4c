"""An agent of LangGraph with a scripted model."""

import json
from datetime import timedelta
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage, convert_to_messages
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from temporalio import workflow
from temporalio.langgraph import LangGraphPlugin, graph
from temporalio.plugin import SimplePlugin

from ringback.agents import Approval
from ringback.agents.langgraph import ask_about, to_message
from tests.integration.agents.refunds import refund, to_next_calls


class State(MessagesState):
    """The messages, and how long people have."""

    seconds: float


@tool("refund")
def offered(order: str, euros: int) -> str:
    """Pay money back."""
    raise NotImplementedError


async def call_model(state: State) -> dict[str, Any]:
    """Make the calls of the prompt, and reply with their outputs."""
    # An activity gets messages as plain JSON.
    messages = convert_to_messages(state["messages"])
    outputs = [one.content for one in messages if isinstance(one, ToolMessage)]
    calls = [
        {"name": "refund", "args": arguments, "id": call_id}
        for call_id, arguments in to_next_calls(str(messages[0].content), len(outputs))
    ]
    if not calls:
        return {"messages": [AIMessage(json.dumps(outputs))]}
    return {"messages": [AIMessage("", tool_calls=calls)]}


async def run_tools(state: State) -> dict[str, Any]:
    """Ask people, and run what they approve."""
    message = state["messages"][-1]
    assert isinstance(message, AIMessage)
    within = timedelta(seconds=state["seconds"])
    asked = await ask_about(message, [offered], within=within)
    return {"messages": [await run_tool(approval) for approval in asked]}


async def run_tool(approval: Approval) -> ToolMessage:
    """Run the tool in an activity."""
    if not approval.approved:
        return to_message(approval)
    result = await workflow.execute_activity(
        refund,
        args=[approval.arguments["order"], approval.arguments["euros"]],
        start_to_close_timeout=timedelta(seconds=10),
    )
    return to_message(approval, result)


async def choose(state: State) -> str:
    """Return the next node."""
    message = state["messages"][-1]
    return "tools" if isinstance(message, AIMessage) and message.tool_calls else END


def build() -> Any:
    """Return the graph."""
    built = StateGraph(State)
    in_activity = {"execute_in": "activity", "start_to_close_timeout": timedelta(seconds=20)}
    built.add_node("model", call_model, metadata=in_activity)
    built.add_node("tools", run_tools, metadata={"execute_in": "workflow"})
    built.add_edge(START, "model")
    built.add_conditional_edges("model", choose, ["tools", END])
    built.add_edge("tools", "model")
    return built


@workflow.defn
class LangGraphAgent:
    """Runs the graph."""

    @workflow.run
    async def run(self, text: str, seconds: float) -> str:
        state = {"messages": [HumanMessage(text)], "seconds": seconds}
        result = await graph("refunds").compile().ainvoke(state)
        return str(result["messages"][-1].content)


def plugins() -> list[SimplePlugin]:
    """Return the framework's plugins."""
    return [LangGraphPlugin(graphs={"refunds": build()})]
