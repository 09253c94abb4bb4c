"""An agent in a Workflow: a model calls a tool, and people are asked before the tool runs."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow

from ringback import agents

TASK_QUEUE = "tutorial-08"
WORKFLOW_ID = "tutorial-08-refund"

WITHIN = timedelta(hours=24)
"""How long people have."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"order": {"type": "string"}, "euros": {"type": "integer"}},
    "required": ["order", "euros"],
}
"""The arguments of `refund`, as a model gets them."""


@dataclass
class Reply:
    """What the model says: a call of the tool, or its last message."""

    text: str = ""
    call: agents.ToolCall | None = None


@dataclass
class Talk:
    """What the model has been told."""

    message: str
    outputs: list[str] = field(default_factory=list)


@activity.defn
async def ask_model(talk: Talk) -> Reply:
    """Return the model's reply. It is a script: it calls the tool, and repeats its output."""
    if talk.outputs:
        return Reply(f"The tool said: {talk.outputs[-1]}")
    return Reply(call=agents.ToolCall("refund", json.loads(talk.message), "call_1"))


@activity.defn
async def refund(order: str, euros: int) -> str:
    """Pay money back for an order."""
    return f"refunded {euros} euros for order {order}"


async def run_refund(arguments: dict[str, Any]) -> str:
    """Run the tool."""
    return await workflow.execute_activity(
        refund,
        args=[arguments["order"], arguments["euros"]],
        start_to_close_timeout=timedelta(seconds=30),
    )


async def approve(call: agents.ToolCall) -> agents.Approval:
    """Ask people whether the call may be made."""
    # PART B: ask people, who may change the arguments.
    return await agents.ask(call.tool, call.arguments, call.call_id, schema=SCHEMA, within=WITHIN)
    # END PART B


async def answer_call(call: agents.ToolCall) -> str:
    """Make the call if people approve it, and return what the model is told."""
    approval = await approve(call)
    # PART C: run what was approved, and tell the model.
    if not approval.approved:
        return approval.to_text()
    return approval.to_text(await run_refund(approval.arguments))
    # END PART C


@workflow.defn
class RefundAgent:
    """Asks the model what to do, until it calls no tool any more."""

    @workflow.run
    async def run(self, message: str) -> str:
        """Return the model's last message."""
        talk = Talk(message)
        while True:
            reply = await workflow.execute_activity(
                ask_model, talk, start_to_close_timeout=timedelta(minutes=1)
            )
            if reply.call is None:
                return reply.text
            talk.outputs.append(await answer_call(reply.call))
