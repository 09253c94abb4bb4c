"""Requests: what each verb sends, by task token and by ids.

The raw service is used, since only there each call has an identity of its own, which Temporal
keeps, and since the reply to a heartbeat tells more than the SDK's handle does.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import TypeAlias, TypeVar

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import (
    RecordActivityTaskHeartbeatByIdRequest,
    RecordActivityTaskHeartbeatByIdResponse,
    RecordActivityTaskHeartbeatRequest,
    RecordActivityTaskHeartbeatResponse,
    RespondActivityTaskCanceledByIdRequest,
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedByIdRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedByIdRequest,
    RespondActivityTaskFailedRequest,
)
from temporalio.service import WorkflowService

from ringback.completion.retry import Request
from ringback.completion.target import Addressed
from ringback.temporal.delivery import Cancellation, Encoded, Result

Metadata: TypeAlias = Mapping[str, str | bytes]
Pulse: TypeAlias = RecordActivityTaskHeartbeatResponse | RecordActivityTaskHeartbeatByIdResponse


T = TypeVar("T")


class Requests:
    """Makes the requests of one call."""

    def __init__(
        self, service: WorkflowService, addressed: Addressed, *, identity: str, metadata: Metadata
    ) -> None:
        """Send to `addressed`, as `identity`."""
        self._service = service
        self._by_token = addressed.task_token is not None
        self._fields = {**addressed.fields, "identity": identity}
        self._metadata = dict(metadata)

    def end(self, encoded: Encoded, last_details: Payloads | None = None) -> Request[object]:
        """Return the request that ends the activity with `encoded`."""
        match encoded:
            case Result(payloads):
                return self._complete(payloads)
            case Failure():
                return self._fail(encoded, last_details)
            case Cancellation(payloads):
                return self._cancel(payloads)

    def _complete(self, result: Payloads | None) -> Request[object]:
        fields, service = {"result": result, **self._fields}, self._service
        if self._by_token:
            by_token = RespondActivityTaskCompletedRequest(**fields)
            return self._bound(service.respond_activity_task_completed, by_token)
        by_ids = RespondActivityTaskCompletedByIdRequest(**fields)
        return self._bound(service.respond_activity_task_completed_by_id, by_ids)

    def _fail(self, failure: Failure, last_details: Payloads | None) -> Request[object]:
        fields = {"failure": failure, "last_heartbeat_details": last_details, **self._fields}
        service = self._service
        if self._by_token:
            by_token = RespondActivityTaskFailedRequest(**fields)
            return self._bound(service.respond_activity_task_failed, by_token)
        by_ids = RespondActivityTaskFailedByIdRequest(**fields)
        return self._bound(service.respond_activity_task_failed_by_id, by_ids)

    def _cancel(self, details: Payloads | None) -> Request[object]:
        fields, service = {"details": details, **self._fields}, self._service
        if self._by_token:
            by_token = RespondActivityTaskCanceledRequest(**fields)
            return self._bound(service.respond_activity_task_canceled, by_token)
        by_ids = RespondActivityTaskCanceledByIdRequest(**fields)
        return self._bound(service.respond_activity_task_canceled_by_id, by_ids)

    def heartbeat(self, details: Payloads | None) -> Request[Pulse]:
        """Return the request that records a heartbeat; without details it erases those before."""
        fields, service = {"details": details, **self._fields}, self._service
        if self._by_token:
            by_token = RecordActivityTaskHeartbeatRequest(**fields)
            return self._bound(service.record_activity_task_heartbeat, by_token)
        by_ids = RecordActivityTaskHeartbeatByIdRequest(**fields)
        return self._bound(service.record_activity_task_heartbeat_by_id, by_ids)

    def _bound(self, call: Callable[..., Awaitable[T]], request: Message) -> Request[T]:
        def send(within: timedelta) -> Awaitable[T]:
            return call(request, metadata=self._metadata, timeout=within)

        return send
