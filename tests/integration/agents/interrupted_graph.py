"""Graphs of LangGraph with nodes that interrupt them."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from operator import add
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from pydantic import BaseModel, Discriminator
from temporalio import workflow

from ringback.agents.langgraph import answer_interrupts


class State(TypedDict):
    """What people decided."""

    decided: Annotated[list[Any], add]
    messages: NotRequired[list[AIMessage]]


class Approve(BaseModel):
    """A yes of LangChain."""

    type: Literal["approve"]


class Reject(BaseModel):
    """A no of LangChain."""

    type: Literal["reject"]
    message: str


class Respond(BaseModel):
    """An answer in place of the tool's result."""

    type: Literal["respond"]
    message: str


@tool
def donate(euros: Decimal) -> str:
    """Give money away."""
    raise NotImplementedError


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


async def ask_without_edit(_: State) -> State:
    """Ask as `HumanInTheLoopMiddleware` does, with an interrupt for each call."""
    return ask_about("o1", Annotated[Approve | Reject, Discriminator("type")])


async def ask_without_reject(_: State) -> State:
    return ask_about("o1", Annotated[Approve | Respond, Discriminator("type")])


async def ask_only_to_reject(_: State) -> State:
    return ask_about("o1", Reject)


async def ask_about_money(_: State) -> State:
    call = {"name": "donate", "args": {"euros": "1.10"}, "tool_call_id": "o1"}
    return {"decided": [("o1", interrupt({"type": "tool_approval", **call}))]}


async def ask_in_a_batch(_: State) -> State:
    """Ask as `HumanInTheLoopMiddleware` does, with one interrupt for all calls."""
    requests = [{"name": "refund", "args": {"order": "o1", "euros": 50}}]
    allowed = [{"action_name": "refund", "allowed_decisions": ["approve", "edit", "reject"]}]
    decided = interrupt({"action_requests": requests, "review_configs": allowed})["decisions"]
    return {"decided": [("o1", decided[0])]}


def ask_about(order: str, schema: Any = None) -> State:
    call = {"name": "refund", "args": {"order": order, "euros": 50}, "tool_call_id": order}
    decided = interrupt({"type": "tool_approval", **call}, response_schema=schema)
    plain = decided.model_dump() if isinstance(decided, BaseModel) else decided
    return {"decided": [(order, plain)]}


NODES: dict[str, list[Callable[[State], Awaitable[State]]]] = {
    "tools": [ask_first, ask_second],
    "the weather": [ask_something_else],
    "a yes or a no": [ask_without_edit],
    "a yes or an answer": [ask_without_reject],
    "a no": [ask_only_to_reject],
    "money": [ask_about_money],
    "a call of a sub-agent": [ask_in_a_batch],
    "a call without an id": [ask_in_a_batch],
    "a call with an id": [ask_in_a_batch],
}
IDS = {"a call without an id": "", "a call with an id": "x"}


@workflow.defn
class InterruptedGraph:
    """Runs the graph."""

    @workflow.run
    async def run(self, about: str) -> str:
        built: Any = StateGraph(State)
        for node in NODES[about]:
            built.add_node(node.__name__, node)
            built.add_edge(START, node.__name__)
            built.add_edge(node.__name__, END)
        graph = built.compile(checkpointer=InMemorySaver())
        config: RunnableConfig = {"configurable": {"thread_id": "t"}}
        given: State = {"decided": []}
        if about in IDS:
            call = {"name": "refund", "args": {"order": "o1", "euros": 50}, "id": IDS[about]}
            given["messages"] = [AIMessage("", tool_calls=[call])]
        result = await graph.ainvoke(given, config)
        result = await answer_interrupts(
            graph, result, config, tools=[refund, donate], within=timedelta(minutes=1)
        )
        return json.dumps(dict(result["decided"]))
