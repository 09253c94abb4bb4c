"""A graph of LangGraph whose node waits in an activity."""

from datetime import timedelta
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from temporalio import workflow
from temporalio.langgraph import LangGraphPlugin, graph
from temporalio.plugin import SimplePlugin

from ringback import Callback, wait_for_callback

SUBMITTED: list[Callback] = []


async def submit(callback: Callback) -> None:
    """Remember that somebody was asked."""
    SUBMITTED.append(callback)


class State(TypedDict, total=False):
    """What the node returns."""

    approved: bool


async def node(state: State) -> dict[str, Any]:
    """Wait in the node."""
    del state
    return await wait_for_callback(submit, dict[str, Any])


def build() -> Any:
    built = StateGraph(State)
    in_activity = {"execute_in": "activity", "start_to_close_timeout": timedelta(seconds=20)}
    built.add_node("ask", node, metadata=in_activity)
    built.add_edge(START, "ask")
    built.add_edge("ask", END)
    return built


@workflow.defn
class WaitInNode:
    """Runs a graph of LangGraph whose node waits in an activity."""

    @workflow.run
    async def run(self) -> Any:
        return await graph("naive").compile().ainvoke({})


def plugins() -> list[SimplePlugin]:
    """Return the framework's plugins."""
    return [LangGraphPlugin(graphs={"naive": build()})]
