"""Permissions: whether Temporal lets a client do what a gateway does."""

import secrets
from datetime import UTC, datetime
from typing import Any

from temporalio.api.workflowservice.v1 import (
    RecordActivityTaskHeartbeatByIdRequest,
    RespondActivityTaskCompletedByIdRequest,
)
from temporalio.client import Client

from ringback.domain.callback import ActivityExecution
from ringback.domain.errors import ActivityGoneError, TemporalMisconfiguredError
from ringback.temporal.requests import describe_workflow, read_history
from ringback.temporal.rpc import Request, in_time, to_request, translated


async def check_permissions(client: Client) -> None:
    """Check that `client` may read workflows, and heartbeat and complete activities.

    It asks about a workflow that does not exist, so it changes nothing.

    Raises:
        TemporalMisconfiguredError: The server rejects a request; the message names the request.
        TemporalUnreachableError: The server does not answer.
    """
    for name, request in _requests(client).items():
        try:
            with translated():
                await in_time(request)
        except ActivityGoneError:
            # The server has searched for the missing workflow, so the client has the permission.
            continue
        except TemporalMisconfiguredError as exc:
            msg = f"{name} is rejected ({exc}); grant it to the gateway's identity"
            raise TemporalMisconfiguredError(msg) from exc


def _requests(client: Client) -> dict[str, Request[Any]]:
    service, namespace = client.workflow_service, client.namespace
    nobody = f"ringback-doctor-{secrets.token_hex(8)}"
    ref = ActivityExecution(namespace, nobody, "", "1", datetime.fromtimestamp(0, UTC))
    names: Any = {"namespace": namespace, "workflow_id": nobody, "activity_id": ref.activity_id}
    return {
        "DescribeWorkflowExecution": describe_workflow(service, ref),
        "GetWorkflowExecutionHistoryReverse": read_history(service, ref, page=b""),
        "RecordActivityTaskHeartbeatById": to_request(
            service.record_activity_task_heartbeat_by_id,
            RecordActivityTaskHeartbeatByIdRequest(**names),
        ),
        "RespondActivityTaskCompletedById": to_request(
            service.respond_activity_task_completed_by_id,
            RespondActivityTaskCompletedByIdRequest(**names),
        ),
    }
