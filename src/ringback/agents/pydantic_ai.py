"""Approval of the tools of Pydantic AI."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any, Unpack

from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.messages import ToolCallPart, ToolReturn
from pydantic_ai.tools import (
    DeferredToolRequests,
    DeferredToolResults,
    RunContext,
    ToolApproved,
    ToolDefinition,
    ToolDenied,
)

from ringback.agents.approval import Approval, ToolCall, to_failure
from ringback.agents.questions import AskOptions, ask, check_options

_NOTE = "ringback_note"


class Approvals(AbstractCapability[Any]):
    """Asks people about the calls of tools with `requires_approval=True`.

    A rejection, a failure and silence reach the model as a denied call. A note about changed
    arguments comes with the tool's result.

    Example:
        >>> agent = Agent(
        ...     "openai:gpt-5",
        ...     name="refunds",
        ...     toolsets=[tools],
        ...     capabilities=[TemporalDurability(), Approvals(within=timedelta(hours=24))],
        ... )
    """

    def __init__(self, **options: Unpack[AskOptions]) -> None:
        """Ask with these `AskOptions`.

        Raises:
            ValueError: An option has a wrong value.
            TypeError: An option is missing or unknown, or has the wrong type.
        """
        check_options(options)
        self._options = options

    @classmethod
    def get_serialization_name(cls) -> str | None:
        """Return none: it is made in code."""
        return None

    async def handle_deferred_tool_calls(
        self, ctx: RunContext[Any], *, requests: DeferredToolRequests
    ) -> DeferredToolResults | None:
        """Ask about all calls that need an approval, at once.

        Raises:
            CancelledError: The workflow is canceled.
        """
        if not requests.approvals:
            return None
        counts = Counter(call.tool_call_id for call in requests.approvals)
        asking = asyncio.gather(
            *(self._ask(ctx, call, counts[call.tool_call_id]) for call in requests.approvals)
        )
        try:
            await asyncio.wait({asking})
        except asyncio.CancelledError:
            # AnyIO cancels its tasks again and again until they end, and an activity ends only in a
            # later task of the workflow: Temporal would take the loop for a deadlock (TMPRL1101).
            asking.cancel()
            raise
        asked = asking.result()
        approvals = {one.call.call_id or "": one for one in asked}
        return requests.build_results(
            approvals={call_id: _to_result(one) for call_id, one in approvals.items()},
            metadata={
                call_id: {**requests.metadata.get(call_id, {}), _NOTE: one.note}
                for call_id, one in approvals.items()
                if one.note is not None
            },
        )

    async def after_tool_execute(
        self,
        ctx: RunContext[Any],
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,
        args: Any,
        result: Any,
    ) -> Any:
        """Add to the result that the tool ran with changed arguments."""
        del call, tool_def, args
        note = (ctx.tool_call_metadata or {}).get(_NOTE)
        if note is None:
            return result
        if isinstance(result, ToolReturn):
            return replace(result, return_value=_annotate(result.return_value, note))
        return _annotate(result, note)

    async def _ask(self, ctx: RunContext[Any], call: ToolCallPart, count: int) -> Approval:
        try:
            arguments = call.args_as_dict(raise_if_invalid=True)
        except (ValueError, AssertionError):
            return _fail(call, "the arguments are not a JSON object")
        if count > 1:
            # Results have the id of their call, so that one yes would run all of them.
            return _fail(call, "several calls at once have the same id")
        manager = ctx.tool_manager
        tool_def = None if manager is None else manager.get_tool_def(call.tool_name)
        return await ask(
            call.tool_name,
            arguments,
            call.tool_call_id,
            schema=None if tool_def is None else tool_def.parameters_json_schema,
            description=None if tool_def is None else tool_def.description,
            **self._options,
        )


def _fail(call: ToolCallPart, reason: str) -> Approval:
    return to_failure(ToolCall(call.tool_name, {}, call.tool_call_id), reason)


def _to_result(approval: Approval) -> ToolApproved | ToolDenied:
    if not approval.approved:
        return ToolDenied(approval.to_text())
    return ToolApproved(override_args=approval.arguments if approval.is_edited else None)


def _annotate(result: object, note: str) -> object:
    return f"{note}\n\n{result}" if isinstance(result, str) else {"note": note, "result": result}
