"""Approval of the tools of Strands Agents."""

import asyncio
import inspect
from types import SimpleNamespace
from typing import Any, Final, Unpack, cast

from strands.hooks import (
    AfterToolCallEvent,
    BeforeModelCallEvent,
    BeforeToolCallEvent,
    HookOrder,
    HookProvider,
    HookRegistry,
)
from strands.types.tools import AgentTool
from temporalio.exceptions import ActivityError

from ringback.agents.fit import to_types, why_not_fit
from ringback.agents.questions import AskOptions, ask, check_options
from ringback.agents.tool_names import check_known, check_named

_NOTE: Final = "ringback_note"


class Approvals(HookProvider):
    """Asks people about the calls of the tools that it names, before they run.

    A rejection, a failure and silence reach the model as a tool result with the status `error`. A
    note about changed arguments comes in front of the tool's result. Hooks that change a call run
    first, so that people see what would run.

    Example:
        >>> agent = TemporalAgent(
        ...     model="claude",
        ...     start_to_close_timeout=timedelta(minutes=1),
        ...     tools=[activity_as_tool(refund, start_to_close_timeout=timedelta(seconds=30))],
        ...     hooks=[Approvals("refund", within=timedelta(hours=24))],
        ... )
    """

    def __init__(self, *tools: str, **options: Unpack[AskOptions]) -> None:
        """Ask about these tools with these `AskOptions`.

        Raises:
            ValueError: No tool is named, or an option has a wrong value.
            TypeError: An option is missing or unknown, or has the wrong type.
        """
        self._tools = check_named(tools)
        check_options(options)
        self._options = options

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        """Register what asks."""
        del kwargs
        # The tools of MCP servers are listed by another hook of this event.
        registry.add_callback(BeforeModelCallEvent, self._check, order=HookOrder.SDK_LAST)
        registry.add_callback(BeforeToolCallEvent, self._ask, order=HookOrder.SDK_LAST)
        registry.add_callback(AfterToolCallEvent, self._annotate)

    async def _check(self, event: BeforeModelCallEvent) -> None:
        check_known(self._tools, event.agent.tool_names)

    async def _ask(self, event: BeforeToolCallEvent) -> None:
        tool, use = event.selected_tool, cast("dict[str, Any]", event.tool_use)
        # Strands also finds a tool by a name that is spelled a little differently.
        if tool is None or not {tool.tool_name, use["name"]} & self._tools:
            return
        arguments = use["input"]
        if not isinstance(arguments, dict):
            event.cancel_tool = f"The arguments of {use['name']} are not a JSON object."
            return
        types = _types(tool)
        try:
            approval = await ask(
                tool.tool_name,
                arguments,
                use["toolUseId"],
                schema=None if types is None else _schema(tool),
                description=tool.tool_spec["description"] or None,
                **self._options,
            )
        except ActivityError as exc:
            # Strands would wrap it in an error that does not end a canceled workflow.
            raise asyncio.CancelledError from exc
        if not approval.approved:
            event.cancel_tool = approval.to_text()
            return
        misfit = why_not_fit(tool.tool_name, types or {}, approval.arguments)
        if misfit is not None:
            event.cancel_tool = misfit
            return
        event.tool_use = cast("Any", {**use, "input": approval.arguments, _NOTE: approval.note})

    async def _annotate(self, event: AfterToolCallEvent) -> None:
        note = cast("dict[str, Any]", event.tool_use).get(_NOTE)
        if note is not None:
            event.result = {**event.result, "content": [{"text": note}, *event.result["content"]]}


def _types(tool: AgentTool) -> dict[str, Any] | None:
    """Return the types of the parameters; `None` if one is text that names no builtin type."""
    signature = getattr(tool, "_signature", None)
    if signature is None:
        return {}
    annotations = {
        name: one.annotation
        for name, one in signature.parameters.items()
        if one.annotation is not inspect.Parameter.empty
    }
    return to_types(SimpleNamespace(__annotations__=annotations))


def _schema(tool: AgentTool) -> dict[str, Any]:
    schema: dict[str, Any] = tool.tool_spec["inputSchema"]
    return cast("dict[str, Any]", schema.get("json", schema))
