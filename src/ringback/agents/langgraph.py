"""Approval of the tool calls of LangGraph's agents."""

import asyncio
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Unpack

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.messages.tool import ToolCall as ModelToolCall
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.types import Command, Interrupt
from pydantic import BaseModel, ValidationError

from ringback.agents.approval import Approval, ToolCall, to_failure
from ringback.agents.fit import say_misfit
from ringback.agents.questions import AskOptions, ask

_EVERY: Final = frozenset({"approve", "edit", "reject"})


async def ask_about(
    message: AIMessage, tools: Sequence[BaseTool], **options: Unpack[AskOptions]
) -> list[Approval]:
    """Ask people about all tool calls of a message, at once, and return their approvals in order.

    Call it in a node that runs in the workflow: `metadata={"execute_in": "workflow"}`.

    Args:
        message: The model's.
        tools: The tools that were offered to the model; by their schemas, people may change the
            arguments.
        **options: See `AskOptions`.

    Raises:
        ApplicationError: The node runs as an activity; not retryable.

    Example:
        >>> async def run_tools(state: MessagesState) -> MessagesState:
        ...     asked = await ask_about(state["messages"][-1], [refund], within=timedelta(hours=24))
        ...     return {"messages": [await run_tool(approval) for approval in asked]}
    """
    by_name = {tool.name: tool for tool in tools}
    asked = (_ask(call, by_name.get(call["name"]), options) for call in message.tool_calls)
    return list(await asyncio.gather(*asked))


def to_message(approval: Approval, result: object = None) -> ToolMessage:
    """Return the message for the model about a call.

    Args:
        approval: What came of the question.
        result: What the tool returned, if it was approved and ran.
    """
    return ToolMessage(
        approval.to_text(_to_plain(result)),
        tool_call_id=approval.call.call_id or "",
        name=approval.call.tool,
        status="success" if approval.approved else "error",
    )


async def answer_interrupts(
    graph: Any,
    result: Mapping[str, Any],
    config: RunnableConfig,
    *,
    tools: Sequence[BaseTool] = (),
    **options: Unpack[AskOptions],
) -> dict[str, Any]:
    """Ask people about the tool calls that interrupted a graph, resume it, and return its result.

    Call it in workflow code, with what `ainvoke` returned; it returns once the graph ends without
    an interrupt. It answers the interrupts of `interrupt_on` of Deep Agents, of LangChain's
    `HumanInTheLoopMiddleware`, and of a node that calls `interrupt({"type": "tool_approval",
    "name": …, "args": …, "tool_call_id": …})`. The node gets LangChain's decision: `{"type":
    "approve"}`, `{"type": "edit", "edited_action": {"name": …, "args": …}}` or `{"type": "reject",
    "message": …}`.

    Interrupted nodes must run in the workflow. If one runs as an activity, the id of its interrupt
    differs after a restart of the worker, and people would be asked again.

    Args:
        graph: The compiled graph, with a checkpointer.
        result: What `graph.ainvoke` returned.
        config: What `graph.ainvoke` was called with.
        tools: The tools that were offered to the model; by their schemas, people may change the
            arguments.
        **options: See `AskOptions`.

    Raises:
        ValueError: An interrupt is not about a tool call, or does not allow a yes and a no.

    Example:
        >>> result = await agent.ainvoke({"messages": [HumanMessage(text)]}, config)
        >>> result = await answer_interrupts(
        ...     agent, result, config, tools=[refund], within=timedelta(hours=24)
        ... )
    """
    asker = _Asker({tool.name: tool for tool in tools}, options)
    while interrupts := result.get("__interrupt__"):
        messages = result.get("messages", ())
        answers = await asyncio.gather(*(asker.answer(one, messages) for one in interrupts))
        by_id = {one.id: answer for one, answer in zip(interrupts, answers, strict=True)}
        result = await graph.ainvoke(Command(resume=by_id), config)
    return dict(result)


@dataclass(frozen=True)
class _Asker:
    tools: Mapping[str, BaseTool]
    options: AskOptions

    async def answer(self, interrupt: Interrupt, messages: Sequence[Any]) -> dict[str, Any]:
        """Return what to resume an interrupt with.

        Raises:
            ValueError: The interrupt is not about a tool call, or does not allow a yes and a no.
        """
        kind = interrupt.value if isinstance(interrupt.value, dict) else {}
        if kind.get("type") == "tool_approval":
            call = ModelToolCall(name=kind["name"], args=kind["args"], id=kind["tool_call_id"])
            return await self._decide(call, _allowed(interrupt))
        if "action_requests" not in kind:
            msg = (
                "the interrupt is not about a tool call, so answer_interrupts cannot answer it; ask"
                " by ringback.agents.ask"
            )
            raise ValueError(msg)
        allowed = {one["action_name"]: one["allowed_decisions"] for one in kind["review_configs"]}
        made = _last_calls(messages)
        counts = Counter(one["id"] for one in made)
        decided = (
            self._decide(call, allowed[call["name"]], count=counts[call["id"]] if call["id"] else 0)
            for call in _with_ids(kind["action_requests"], made)
        )
        return {"decisions": list(await asyncio.gather(*decided))}

    async def _decide(
        self, call: ModelToolCall, allowed: Collection[str], *, count: int = 1
    ) -> dict[str, Any]:
        """Return the decision about a call of whose id there are so many; 0 if it is unknown.

        LangChain finds changed arguments by the id. It would run all calls of that id with them,
        and ignores them for a call without one. Interrupts of sub-agents do not have the ids.

        Raises:
            ValueError: The interrupt does not allow a yes and a no.
        """
        if not {"reject", "respond"} & set(allowed):
            msg = f"the interrupt allows nobody to reject {call['name']}"
            raise ValueError(msg)
        if not {"approve", "edit"} & set(allowed):
            msg = f"the interrupt allows nobody to approve {call['name']}"
            raise ValueError(msg)
        if count > 1:
            same = ToolCall(call["name"], call["args"], call["id"])
            return _to_decision(to_failure(same, "several calls at once have the same id"), allowed)
        may_edit = count == 1 and "edit" in allowed and self.options.get("may_edit", True)
        options: AskOptions = {**self.options, "may_edit": may_edit}
        return _to_decision(await _ask(call, self.tools.get(call["name"]), options), allowed)


def _allowed(interrupt: Interrupt) -> frozenset[str]:
    """Return the decisions that an interrupt about one call allows, by its JSON Schema."""
    given = getattr(interrupt, "response_schema", None)
    schema = given if isinstance(given, dict) else {}
    several = schema.get("discriminator", {}).get("mapping", {})
    one = schema.get("properties", {}).get("type", {}).get("const")
    return frozenset(several) or (_EVERY if one is None else frozenset({one}))


def _to_decision(approval: Approval, allowed: Collection[str]) -> dict[str, Any]:
    if not approval.approved:
        if "reject" not in allowed:
            return {"type": "respond", "message": approval.to_text()}
        return {"type": "reject", "message": approval.reason}
    if not approval.is_edited and "approve" in allowed:
        return {"type": "approve"}
    action = {"name": approval.call.tool, "args": approval.arguments}
    return {"type": "edit", "edited_action": action}


def _with_ids(
    requests: Sequence[Mapping[str, Any]], made: Sequence[ModelToolCall]
) -> list[ModelToolCall]:
    """Return the calls of the requests, with the ids of the model's message."""
    left = list(made)
    calls = []
    for one in requests:
        same = [call for call in left if (call["name"], call["args"]) == (one["name"], one["args"])]
        if same:
            left.remove(same[0])
        call_id = same[0]["id"] if same else None
        calls.append(ModelToolCall(name=one["name"], args=one["args"], id=call_id))
    return calls


def _last_calls(messages: Sequence[Any]) -> list[ModelToolCall]:
    made = [one for one in messages if isinstance(one, AIMessage)]
    return made[-1].tool_calls if made else []


async def _ask(call: ModelToolCall, tool: BaseTool | None, options: AskOptions) -> Approval:
    schema = None if tool is None else convert_to_openai_tool(tool)["function"].get("parameters")
    approval = await ask(
        call["name"],
        call["args"],
        call["id"],
        schema=schema,
        description=None if tool is None else tool.description or None,
        **options,
    )
    misfit = _why_not_fit(tool, approval.arguments) if tool and approval.approved else None
    return approval if misfit is None else to_failure(approval.call, misfit)


def _why_not_fit(tool: BaseTool, arguments: Mapping[str, Any]) -> str | None:
    # LangGraph raises an error for them, or an activity cannot decode them: the run never ends.
    schema = tool.tool_call_schema
    if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
        return None
    try:
        schema.model_validate(arguments)
    except ValidationError as exc:
        return say_misfit(tool.name, exc)
    return None


def _to_plain(result: object) -> Any:
    try:
        json.dumps(result)
    except (TypeError, ValueError):
        return str(result)
    return result
