"""What an operator does to an activity that waits, or to its workflow."""

from typing import Any, Protocol
from uuid import uuid4

from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    PauseActivityRequest,
    ResetActivityRequest,
    ResetWorkflowExecutionRequest,
    UnpauseActivityRequest,
    UpdateActivityOptionsRequest,
)
from temporalio.client import Client, WorkflowHandle

from tests.integration.facts.env import seconds


class Operated(Protocol):
    """A workflow with an activity that waits."""

    @property
    def client(self) -> Client: ...

    @property
    def handle(self) -> WorkflowHandle[Any, Any]: ...

    @property
    def execution(self) -> WorkflowExecution: ...


def _addressed(question: Operated) -> dict[str, Any]:
    execution = question.execution
    return {"namespace": question.client.namespace, "execution": execution, "identity": "operator"}


async def pause(question: Operated, activity_id: str = "1") -> None:
    """Pause the activity."""
    await question.client.workflow_service.pause_activity(
        PauseActivityRequest(id=activity_id, **_addressed(question))
    )


async def unpause(question: Operated, activity_id: str = "1") -> None:
    """Let it go on."""
    await question.client.workflow_service.unpause_activity(
        UnpauseActivityRequest(id=activity_id, **_addressed(question))
    )


async def reset_activity(question: Operated, activity_id: str = "1") -> None:
    """Give it all its attempts back."""
    await question.client.workflow_service.reset_activity(
        ResetActivityRequest(id=activity_id, **_addressed(question))
    )


async def update_options(question: Operated, **timeouts: float) -> None:
    """Give it other timeouts, such as `start_to_close=5`."""
    options = ActivityOptions()
    for name, value in timeouts.items():
        getattr(options, f"{name}_timeout").FromTimedelta(seconds(value))
    await question.client.workflow_service.update_activity_options(
        UpdateActivityOptionsRequest(
            id="1",
            activity_options=options,
            update_mask=FieldMask(paths=[f"{name}_timeout" for name in timeouts]),
            **_addressed(question),
        )
    )


async def reset_workflow(
    question: Operated, event_id: int, *, run_id: str | None = None, reason: str = "why"
) -> str:
    """Reset the run to before this event; return the new run's id."""
    execution = WorkflowExecution(
        workflow_id=question.handle.id, run_id=run_id or question.execution.run_id
    )
    answer = await question.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=question.client.namespace,
            workflow_execution=execution,
            workflow_task_finish_event_id=event_id,
            request_id=str(uuid4()),
            reason=reason,
            identity="operator",
        )
    )
    return answer.run_id
