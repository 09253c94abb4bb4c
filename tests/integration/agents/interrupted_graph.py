"""A graph of LangGraph with two nodes that interrupt it, at once."""

import json
from datetime import timedelta
from operator import add
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from temporalio import workflow

from ringback.agents.langgraph import answer_interrupts


class State(TypedDict):
    """What people decided."""

    decided: Annotated[list[Any], add]


@tool
def refund(order: str, euros: int) -> str:
    """Pay money back."""
    raise NotImplementedError


async def ask_first(_: State) -> State:
    return ask_about("o1")


async def ask_second(_: State) -> State:
    return ask_about("o2")


async def ask_something_else(_: State) -> State:
    return {"decided": [interrupt("What is the weather?")]}


def ask_about(order: str) -> State:
    call = {"name": "refund", "args": {"order": order, "euros": 50}, "tool_call_id": order}
    return {"decided": [(order, interrupt({"type": "tool_approval", **call}))]}


@workflow.defn
class InterruptedGraph:
    """Runs the graph."""

    @workflow.run
    async def run(self, about: str) -> str:
        built: Any = StateGraph(State)
        for node in (ask_first, ask_second) if about == "tools" else (ask_something_else,):
            built.add_node(node.__name__, node)
            built.add_edge(START, node.__name__)
            built.add_edge(node.__name__, END)
        graph = built.compile(checkpointer=InMemorySaver())
        config: RunnableConfig = {"configurable": {"thread_id": "t"}}
        result = await graph.ainvoke({"decided": []}, config)
        within = timedelta(minutes=1)
        result = await answer_interrupts(graph, result, config, tools=[refund], within=within)
        return json.dumps(dict(result["decided"]))
