"""Approval of the tools of Google's Agent Development Kit (ADK)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, Unpack

from google.adk.models.llm_request import LlmRequest
from google.adk.tools.base_tool import BaseTool
from google.adk.tools.tool_context import ToolContext
from temporalio.exceptions import ActivityError

from ringback.agents.fit import to_types, why_not_fit
from ringback.agents.questions import AskOptions, ask, check_options
from ringback.agents.tool_names import check_known, check_named

BeforeTool: TypeAlias = Callable[
    [BaseTool, dict[str, Any], ToolContext], Awaitable[dict[str, Any] | None]
]


def approve_before(*tools: str, **options: Unpack[AskOptions]) -> BeforeTool:
    """Return the `before_tool_callback` that asks people about the calls of these tools.

    A rejection, a failure and silence reach the model as the tool's response. A note about changed
    arguments comes with the response. In a list of callbacks it must be the last: one that follows
    would change what people have approved.

    Leave `require_confirmation` off: ADK runs a confirmed call with the model's arguments, also if
    a person changed them.

    Args:
        *tools: The names of the tools.
        **options: See `AskOptions`.

    Raises:
        ValueError: No tool is named, or an option has a wrong value.
        TypeError: An option is missing or unknown, or has the wrong type.

    Example:
        >>> agent = Agent(
        ...     name="refunds",
        ...     model=TemporalModel("gemini-3-pro"),
        ...     tools=[activity_as_tool(refund, start_to_close_timeout=timedelta(seconds=30))],
        ...     before_tool_callback=approve_before("refund", within=timedelta(hours=24)),
        ... )
    """
    named = check_named(tools)
    check_options(options)

    async def ask_first(
        tool: BaseTool, args: dict[str, Any], tool_context: ToolContext
    ) -> dict[str, Any] | None:
        known = tool_context.get_invocation_context().canonical_tools_cache
        if known is not None:
            check_known(named, [one.name for one in known])
        if tool.name not in named:
            return None
        if await tool.check_require_confirmation(args, tool_context):
            msg = f"the tool {tool.name} must not have require_confirmation: people are asked twice"
            raise ValueError(msg)
        function = getattr(tool, "func", None)
        types = {} if function is None else to_types(function)
        try:
            approval = await ask(
                tool.name,
                args,
                tool_context.function_call_id,
                schema=None if types is None else _schema(tool),
                description=tool.description or None,
                **options,
            )
        except ActivityError as exc:
            # ADK would report it to the runner, which is canceled and does not listen any more.
            raise asyncio.CancelledError from exc
        if not approval.approved:
            return {"approved": False, "reason": approval.reason}
        misfit = why_not_fit(tool.name, types or {}, approval.arguments)
        if misfit is not None:
            return {"error": misfit}
        if approval.note is None:
            return None
        result = await tool.run_async(args=dict(approval.arguments), tool_context=tool_context)
        if isinstance(result, str):
            return {"result": approval.to_text(result)}
        return {"note": approval.note, "result": result}

    return ask_first


def _schema(tool: BaseTool) -> dict[str, Any] | None:
    request = LlmRequest()
    request.append_tools([tool])
    declared = [
        declaration
        for one in request.config.tools or ()
        for declaration in getattr(one, "function_declarations", None) or ()
    ]
    if not declared:
        return None
    if declared[0].parameters is not None:
        schema: dict[str, Any] = declared[0].parameters.json_schema.model_dump(
            exclude_none=True, mode="json", by_alias=True
        )
        return schema
    given: dict[str, Any] | None = declared[0].parameters_json_schema
    return given
