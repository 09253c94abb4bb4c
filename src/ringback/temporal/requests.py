"""Requests: every request to Temporal's service, by gateway or completion client.

They use the raw service: only there each call has an identity of its own, which Temporal records,
and the reply to a heartbeat contains more than the SDK's handle returns.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeAlias
from uuid import uuid4

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import (
    DescribeActivityExecutionRequest,
    DescribeActivityExecutionResponse,
    DescribeNamespaceRequest,
    DescribeNamespaceResponse,
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    GetWorkflowExecutionHistoryReverseRequest,
    GetWorkflowExecutionHistoryReverseResponse,
    RecordActivityTaskHeartbeatByIdRequest,
    RecordActivityTaskHeartbeatRequest,
    RespondActivityTaskCanceledByIdRequest,
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedByIdRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedByIdRequest,
    RespondActivityTaskFailedRequest,
)
from temporalio.service import WorkflowService

from ringback.domain.activity_state import HeartbeatResponse
from ringback.domain.callback import ActivityExecution
from ringback.temporal.encoding import Cancellation, Encoded, Result
from ringback.temporal.rpc import NO_METADATA, Metadata, Request, to_read, to_request
from ringback.temporal.token import TaskToken

_Rpc: TypeAlias = tuple[Callable[..., Awaitable[Any]], type[Message]]

_LONGEST_NAME: Final = 900
"""Length taken of a client's identity, so that a call's identity fits Temporal's 1,000 limit."""


def new_identity(name: str) -> str:
    """Return an identity for one call of the client with the identity `name`."""
    return f"{name[:_LONGEST_NAME]}/{uuid4()}"


@dataclass(frozen=True, slots=True)
class Address:
    """The address of an activity for one call.

    Attributes:
        execution: The activity by its ids; with a token, the ids in the token, for reading only.
        task_token: The token, if one was given.
        claim: The token's content, if it was parsed.
    """

    execution: ActivityExecution
    task_token: bytes | None = None
    claim: TaskToken | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a request that address the activity."""
        if self.task_token is not None:
            return {"namespace": self.execution.namespace, "task_token": self.task_token}
        return {
            "namespace": self.execution.namespace,
            "workflow_id": self.execution.workflow_id,
            "run_id": self.execution.run_id,
            "activity_id": self.execution.activity_id,
        }

    @property
    def is_fenced(self) -> bool:
        """Whether a repeat reaches no other run: it has a token or a run id."""
        return self.task_token is not None or bool(self.execution.run_id)

    def __repr__(self) -> str:
        # A token is a secret: with one from a log, anybody can complete the activity.
        return f"{type(self).__name__}({self.execution})"


class ActivityRequests:
    """The requests that end one activity, or record its heartbeat."""

    def __init__(
        self,
        service: WorkflowService,
        address: Address,
        *,
        identity: str,
        metadata: Metadata = NO_METADATA,
    ) -> None:
        """Send to `address` as `identity`."""
        self._service = service
        self._by_token = address.task_token is not None
        self._fields = {**address.fields, "identity": identity}
        self._metadata = metadata

    def end(self, encoded: Encoded, last_details: Payloads | None = None) -> Request[object]:
        """Return the request that ends the activity with `encoded`."""
        service = self._service
        match encoded:
            case Result(payloads):
                return self._to_request(
                    (service.respond_activity_task_completed, RespondActivityTaskCompletedRequest),
                    (
                        service.respond_activity_task_completed_by_id,
                        RespondActivityTaskCompletedByIdRequest,
                    ),
                    result=payloads,
                )
            case Failure():
                return self._to_request(
                    (service.respond_activity_task_failed, RespondActivityTaskFailedRequest),
                    (
                        service.respond_activity_task_failed_by_id,
                        RespondActivityTaskFailedByIdRequest,
                    ),
                    failure=encoded,
                    last_heartbeat_details=last_details,
                )
            case Cancellation(payloads):
                return self._to_request(
                    (service.respond_activity_task_canceled, RespondActivityTaskCanceledRequest),
                    (
                        service.respond_activity_task_canceled_by_id,
                        RespondActivityTaskCanceledByIdRequest,
                    ),
                    details=payloads,
                )

    def heartbeat(self, details: Payloads | None) -> Request[HeartbeatResponse]:
        """Return the request that records a heartbeat; without details it erases earlier ones."""
        request = self._to_request(
            (self._service.record_activity_task_heartbeat, RecordActivityTaskHeartbeatRequest),
            (
                self._service.record_activity_task_heartbeat_by_id,
                RecordActivityTaskHeartbeatByIdRequest,
            ),
            details=details,
        )

        async def send(within: timedelta) -> HeartbeatResponse:
            reply = await request(within)
            return HeartbeatResponse(
                reply.cancel_requested, reply.activity_paused, reply.activity_reset
            )

        return send

    def _to_request(self, by_token: _Rpc, by_ids: _Rpc, **fields: object) -> Request[Any]:
        call, message = by_token if self._by_token else by_ids
        return to_request(call, message(**fields, **self._fields), self._metadata)


def describe_workflow(
    service: WorkflowService, ref: ActivityExecution, metadata: Metadata = NO_METADATA
) -> Request[DescribeWorkflowExecutionResponse]:
    """Return the request that reads the run of an activity; the latest one without a run id."""
    message = DescribeWorkflowExecutionRequest(namespace=ref.namespace, execution=_run_of(ref))
    return to_read(service.describe_workflow_execution, message, metadata)


def describe_standalone(
    service: WorkflowService,
    ref: ActivityExecution,
    *,
    with_details: bool = False,
    with_end: bool = False,
    metadata: Metadata = NO_METADATA,
) -> Request[DescribeActivityExecutionResponse]:
    """Return the request that reads a standalone activity.

    Args:
        service: The server.
        ref: The activity.
        with_details: Whether to read the details of its latest heartbeat.
        with_end: Whether to read its outcome and the failure of its latest attempt.
        metadata: Headers of the request.
    """
    message = DescribeActivityExecutionRequest(
        namespace=ref.namespace,
        activity_id=ref.activity_id,
        run_id=ref.run_id,
        include_heartbeat_details=with_details,
        include_last_failure=with_end,
        include_outcome=with_end,
    )
    return to_read(service.describe_activity_execution, message, metadata)


def describe_namespace(
    service: WorkflowService, namespace: str
) -> Request[DescribeNamespaceResponse]:
    """Return the request that reads a namespace."""
    message = DescribeNamespaceRequest(namespace=namespace)
    return to_read(service.describe_namespace, message)


def read_history(
    service: WorkflowService,
    ref: ActivityExecution,
    *,
    page: bytes,
    metadata: Metadata = NO_METADATA,
) -> Request[GetWorkflowExecutionHistoryReverseResponse]:
    """Return the request that reads a page of the history of an activity's run, newest first."""
    message = GetWorkflowExecutionHistoryReverseRequest(
        namespace=ref.namespace, execution=_run_of(ref), next_page_token=page
    )
    return to_read(service.get_workflow_execution_history_reverse, message, metadata)


def _run_of(ref: ActivityExecution) -> WorkflowExecution:
    return WorkflowExecution(workflow_id=ref.workflow_id, run_id=ref.run_id)
