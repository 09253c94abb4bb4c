"""Approval of the tools of the OpenAI Agents SDK."""

import json
from dataclasses import replace
from typing import Any, Unpack, cast

from agents import Agent
from agents.exceptions import ToolInputGuardrailTripwireTriggered
from agents.tool import FunctionTool, Tool, ToolOutputFileContent, ToolOutputImage, ToolOutputText
from agents.tool_context import ToolContext
from agents.tool_guardrails import ToolInputGuardrailData
from pydantic import ValidationError

from ringback.agents.approval import Approval
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
        # What people saw, also where the model left the text empty, or repeated a key in it.
        context.tool_arguments = json.dumps(approval.arguments)
        if approval.is_edited:
            refusal = await _check(tool, context)
            if refusal is not None:
                return refusal
        try:
            result = await call_tool(context, context.tool_arguments)
        except ValidationError as exc:
            # Raised in workflow code, it would stop the workflow for good.
            return say_misfit(tool.name, exc)
        return result if approval.note is None else _annotate(approval, result)

    return replace(tool, on_invoke_tool=ask_first)


def _parse(text: str) -> dict[str, Any] | None:
    try:
        arguments = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return None
    return arguments if isinstance(arguments, dict) else None


async def _check(tool: FunctionTool, context: ToolContext[Any]) -> str | None:
    """Return what to tell the model if an input guardrail of the tool rejects the arguments.

    The SDK has run them before people were asked, with the arguments of the model.

    Raises:
        ToolInputGuardrailTripwireTriggered: A guardrail stops the run.
    """
    for guardrail in tool.tool_input_guardrails or ():
        agent = cast("Agent[Any]", context.agent)
        output = await guardrail.run(ToolInputGuardrailData(context=context, agent=agent))
        match output.behavior:
            case {"type": "raise_exception"}:
                raise ToolInputGuardrailTripwireTriggered(guardrail, output)
            case {"type": "reject_content", "message": message}:
                return str(message)
    return None


def _annotate(approval: Approval, result: Any) -> Any:
    parts = list(result) if isinstance(result, list | tuple) else [result]
    if parts and all(map(_is_part, parts)):
        return [ToolOutputText(text=approval.note or ""), *parts]
    return approval.to_text(result if isinstance(result, str) else str(result))


def _is_part(value: object) -> bool:
    """Return whether the SDK gives it to the model as it is, such as an image."""
    kinds = ToolOutputText | ToolOutputImage | ToolOutputFileContent
    return isinstance(value, kinds) or (
        isinstance(value, dict) and value.get("type") in {"text", "image", "file"}
    )
