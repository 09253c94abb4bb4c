"""Approval of the tool calls of LangGraph's agents."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Unpack

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.messages.tool import ToolCall as ModelToolCall
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from ringback.agents.approval import Approval
from ringback.agents.questions import AskOptions, ask


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
        NotWiredError: The node runs as an activity.

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


async def _ask(call: ModelToolCall, tool: BaseTool | None, options: AskOptions) -> Approval:
    schema = None if tool is None else convert_to_openai_tool(tool)["function"].get("parameters")
    return await ask(
        call["name"],
        call["args"],
        call["id"],
        schema=schema,
        description=None if tool is None else tool.description or None,
        **options,
    )


def _to_plain(result: object) -> Any:
    try:
        json.dumps(result)
    except (TypeError, ValueError):
        return str(result)
    return result
