"""Answers, as the SDK gives them and by raw requests, and how the server refuses them."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
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
from temporalio.client import AsyncActivityHandle
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from tests.integration.facts.env import Attempt, until

FINAL = ApplicationError("no", non_retryable=True)


class Refusal(NamedTuple):
    """The server's answer to a call that it refused."""

    status: RPCStatusCode
    message: str


GONE_BY_TOKEN = Refusal(
    RPCStatusCode.NOT_FOUND,
    "invalid activityID or activity already timed out or invoking workflow is completed",
)
GONE_BY_ID = Refusal(
    RPCStatusCode.NOT_FOUND,
    "cannot find pending activity with ActivityID 1, "
    "check workflow execution history for more details",
)
CLOSED = Refusal(RPCStatusCode.NOT_FOUND, "workflow execution already completed")
NOT_ASKED_TO_CANCEL = Refusal(
    RPCStatusCode.INVALID_ARGUMENT,
    "unable to mark activity as canceled without activity being request canceled first",
)


async def refusal(call: Awaitable[object]) -> Refusal:
    """Return how the server refuses this call."""
    with pytest.raises(RPCError) as caught:
        await call
    return Refusal(caught.value.status, caught.value.message)


async def refusals(*handles: AsyncActivityHandle) -> set[Refusal]:
    """Return how the server refuses every verb by each of these handles."""
    found = set()
    for handle in handles:
        calls = handle.complete("late"), handle.fail(FINAL)
        others = handle.heartbeat(), handle.report_cancellation()
        found |= {await refusal(call) for call in (*calls, *others)}
    return found


def payloads(data: bytes = b"1") -> Payloads:
    """Return one JSON payload."""
    return Payloads(payloads=[Payload(metadata={"encoding": b"json/plain"}, data=data)])


def failure(message: str = "busy", **fields: Any) -> Failure:
    """Return a retryable failure."""
    return Failure(
        message=message, application_failure_info=ApplicationFailureInfo(type="Busy"), **fields
    )


@dataclass(frozen=True)
class ById:
    """Raw requests by ids, each under one identity."""

    attempt: Attempt
    identity: str = "somebody"

    @property
    def _address(self) -> dict[str, Any]:
        info = self.attempt.info
        return {
            "namespace": self.attempt.client.namespace,
            "workflow_id": info.workflow_id or "",
            "run_id": info.workflow_run_id or info.activity_run_id or "",
            "activity_id": info.activity_id,
            "identity": self.identity,
        }

    async def complete(self, result: Payloads | None = None, *, retry: bool = True) -> None:
        """Complete it."""
        await self.attempt.client.workflow_service.respond_activity_task_completed_by_id(
            RespondActivityTaskCompletedByIdRequest(result=result or payloads(), **self._address),
            retry=retry,
        )

    async def fail(self, with_failure: Failure | None = None) -> None:
        """Fail it."""
        await self.attempt.client.workflow_service.respond_activity_task_failed_by_id(
            RespondActivityTaskFailedByIdRequest(failure=with_failure or failure(), **self._address)
        )

    async def cancel(self, details: Payloads | None = None) -> None:
        """Report its cancellation."""
        await self.attempt.client.workflow_service.respond_activity_task_canceled_by_id(
            RespondActivityTaskCanceledByIdRequest(details=details, **self._address)
        )

    async def heartbeat(
        self, details: Payloads | None = None
    ) -> RecordActivityTaskHeartbeatByIdResponse:
        """Heartbeat it."""
        return await self.attempt.client.workflow_service.record_activity_task_heartbeat_by_id(
            RecordActivityTaskHeartbeatByIdRequest(details=details, **self._address)
        )


@dataclass(frozen=True)
class ByToken:
    """Raw requests by a task token, each under one identity."""

    attempt: Attempt
    identity: str = "somebody"
    task_token: bytes | None = None
    namespace: str | None = None

    @property
    def _address(self) -> dict[str, Any]:
        client, info = self.attempt.client, self.attempt.info
        return {
            "namespace": client.namespace if self.namespace is None else self.namespace,
            "task_token": info.task_token if self.task_token is None else self.task_token,
            "identity": self.identity,
        }

    async def complete(self, result: Payloads | None = None) -> None:
        """Complete it."""
        await self.attempt.client.workflow_service.respond_activity_task_completed(
            RespondActivityTaskCompletedRequest(result=result or payloads(), **self._address)
        )

    async def fail(self, with_failure: Failure | None = None) -> None:
        """Fail it."""
        await self.attempt.client.workflow_service.respond_activity_task_failed(
            RespondActivityTaskFailedRequest(failure=with_failure or failure(), **self._address)
        )

    async def cancel(self, details: Payloads | None = None) -> None:
        """Report its cancellation."""
        await self.attempt.client.workflow_service.respond_activity_task_canceled(
            RespondActivityTaskCanceledRequest(details=details, **self._address)
        )

    async def heartbeat(
        self, details: Payloads | None = None
    ) -> RecordActivityTaskHeartbeatResponse:
        """Heartbeat it."""
        return await self.attempt.client.workflow_service.record_activity_task_heartbeat(
            RecordActivityTaskHeartbeatRequest(details=details, **self._address)
        )


Raw = ById | ByToken


async def raw_refusals(raw: Raw) -> set[Refusal]:
    """Return how the server refuses every raw request of this kind."""
    calls = (raw.complete(), raw.fail(), raw.heartbeat(), raw.cancel())
    return {await refusal(call) for call in calls}


async def until_asked_to_cancel(raw: Raw) -> None:
    """Return when a heartbeat reports that the activity should stop."""

    async def is_asked() -> bool:
        return (await raw.heartbeat()).cancel_requested

    await until(is_asked, bool)
