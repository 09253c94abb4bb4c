"""An agent without a framework: the workflow asks, and runs the tool."""

import asyncio
import json
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.plugin import SimplePlugin

from ringback.agents import ask
from tests.integration.agents.refunds import refund, to_next_calls

SCHEMA = {
    "type": "object",
    "properties": {"order": {"type": "string"}, "euros": {"type": "integer"}},
    "required": ["order", "euros"],
}


@workflow.defn
class PlainAgent:
    """Makes the calls of the prompt."""

    @workflow.run
    async def run(self, text: str, seconds: float) -> str:
        self._more = json.loads(text).get("schema", {})
        outputs: list[str] = []
        while calls := to_next_calls(text, len(outputs)):
            outputs += await asyncio.gather(
                *(self._call(call_id, each, seconds) for call_id, each in calls)
            )
        return json.dumps(outputs)

    async def _call(self, call_id: str, arguments: dict[str, Any], seconds: float) -> str:
        within = timedelta(seconds=seconds)
        schema = {**SCHEMA, **self._more}
        approval = await ask("refund", arguments, call_id, schema=schema, within=within)
        if not approval.approved:
            return approval.to_text()
        result = await workflow.execute_activity(
            refund,
            args=[approval.arguments["order"], approval.arguments["euros"]],
            start_to_close_timeout=timedelta(seconds=10),
        )
        return approval.to_text(result)


def plugins() -> list[SimplePlugin]:
    """Return the framework's plugins."""
    return []
