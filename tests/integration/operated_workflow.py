"""A workflow that an operator pauses, resets and terminates."""

from dataclasses import dataclass
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowHandle


@dataclass(frozen=True)
class Workflow:
    """What `tests.integration.facts.operator_actions` works on."""

    client: Client
    handle: WorkflowHandle[Any, Any]

    @property
    def execution(self) -> WorkflowExecution:
        """The run that was started."""
        run_id = self.handle.first_execution_run_id or ""
        return WorkflowExecution(workflow_id=self.handle.id, run_id=run_id)

    async def pending(self) -> PendingActivityInfo:
        """Return the activity that waits."""
        (pending,) = (await self.handle.describe()).raw_description.pending_activities
        return pending

    async def step(self) -> int:
        """Let the workflow take a step, after it asked; return the event to reset to."""
        await self.handle.signal("step")
        while True:
            steps = [
                event.event_id
                async for event in self.handle.fetch_history_events()
                if event.HasField("workflow_task_completed_event_attributes")
            ]
            if len(steps) > 1:
                return steps[1]
