"""Approval of the tools of the OpenAI Agents SDK."""

import json
from dataclasses import replace
from typing import Any, Unpack

from agents.tool import FunctionTool, Tool
from agents.tool_context import ToolContext
from pydantic import ValidationError

from ringback.agents.fit import say_misfit
from ringback.agents.questions import AskOptions, ask, check_options


def approved_tool(tool: Tool, **options: Unpack[AskOptions]) -> FunctionTool:
    """Return `tool` as one that runs only after people have approved the call.

    Use it in workflow code. A rejection, a failure, silence and changed arguments reach the model
    as the tool's output. Leave `needs_approval` off: a run that the SDK interrupts cannot
    continue with changed arguments.

    Args:
        tool: What `activity_as_tool` or `function_tool` returned.
        **options: See `AskOptions`.

    Raises:
        TypeError: The tool is of another kind, or an option is wrong.
        ValueError: It has `needs_approval` or a timeout, which would also limit people; or an
            option is wrong.

    Example:
        >>> refunds = approved_tool(
        ...     activity_as_tool(refund, start_to_close_timeout=timedelta(seconds=30)),
        ...     within=timedelta(hours=24),
        ... )
    """
    check_options(options)
    if not isinstance(tool, FunctionTool):
        msg = f"approved_tool needs a function tool, not a {type(tool).__name__}"
        raise TypeError(msg)
    if tool.needs_approval is not False or tool.timeout_seconds is not None:
        msg = f"the tool {tool.name} must have neither needs_approval nor timeout_seconds"
        raise ValueError(msg)
    call_tool = tool.on_invoke_tool

    async def ask_first(context: ToolContext[Any], text: str) -> Any:
        arguments = _parse(text)
        if arguments is None:
            return f"The arguments of {tool.name} are not a JSON object. Nothing ran."
        approval = await ask(
            tool.name,
            arguments,
            context.tool_call_id,
            schema=tool.params_json_schema,
            description=tool.description or None,
            **options,
        )
        if not approval.approved:
            return approval.to_text()
        try:
            ran = text if not approval.is_edited else json.dumps(approval.arguments)
            result = await call_tool(context, ran)
        except ValidationError as exc:
            # Raised in workflow code, it would stop the workflow for good.
            return say_misfit(tool.name, exc)
        return result if approval.note is None else approval.to_text(_to_text(result))

    return replace(tool, on_invoke_tool=ask_first)


def _parse(text: str) -> dict[str, Any] | None:
    try:
        arguments = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return None
    return arguments if isinstance(arguments, dict) else None


def _to_text(result: object) -> str:
    return result if isinstance(result, str) else str(result)
