"""What an overloaded server refuses, and how it says so."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import ResourceExhaustedCause, ResourceExhaustedScope
from temporalio.api.errordetails.v1 import ResourceExhaustedFailure
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryReverseRequest,
    RespondActivityTaskCanceledByIdRequest,
    RespondActivityTaskCompletedByIdRequest,
    RespondActivityTaskFailedByIdRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from tests.own_temporal import own_temporal

pytestmark = [pytest.mark.server, pytest.mark.thorough]

CALLS_OF_EACH_KIND = 60
NARROW = {"frontend.namespaceRPS": "20", "frontend.namespaceBurstRatio": "1.0"}


@pytest.fixture
async def overloaded() -> AsyncIterator[Client]:
    """A client of a server of its own, which takes few requests a second."""
    async with own_temporal(NARROW) as client:
        yield client


def kinds(client: Client) -> dict[str, Callable[[], Awaitable[object]]]:
    """Return a call of each kind, for a workflow that is not there."""
    service = client.workflow_service
    execution = WorkflowExecution(workflow_id="nobody", run_id=str(uuid4()))
    where: dict[str, Any] = {"namespace": client.namespace, "execution": execution}
    ids: dict[str, Any] = {
        "namespace": client.namespace,
        "workflow_id": execution.workflow_id,
        "run_id": execution.run_id,
        "activity_id": "1",
    }
    return {
        "history": lambda: service.get_workflow_execution_history_reverse(
            GetWorkflowExecutionHistoryReverseRequest(**where), retry=False
        ),
        "describe": lambda: service.describe_workflow_execution(
            DescribeWorkflowExecutionRequest(**where), retry=False
        ),
        "cancel": lambda: service.respond_activity_task_canceled_by_id(
            RespondActivityTaskCanceledByIdRequest(**ids), retry=False
        ),
        "fail": lambda: service.respond_activity_task_failed_by_id(
            RespondActivityTaskFailedByIdRequest(**ids), retry=False
        ),
        "complete": lambda: service.respond_activity_task_completed_by_id(
            RespondActivityTaskCompletedByIdRequest(**ids), retry=False
        ),
    }


async def error_of(call: Awaitable[object]) -> RPCError:
    """Return the error: each call is refused, because the server is gone."""
    with pytest.raises(RPCError) as caught:
        await call
    return caught.value


async def test_an_overloaded_server_takes_completions_before_all_else_and_says_what_it_refused(
    overloaded: Client,
) -> None:
    calls = [(kind, call) for kind, call in kinds(overloaded).items()] * CALLS_OF_EACH_KIND

    errors = await asyncio.gather(*(error_of(call()) for _, call in calls))

    limited = [error for error in errors if error.status == RPCStatusCode.RESOURCE_EXHAUSTED]
    taken = Counter(
        kind
        for (kind, _), error in zip(calls, errors, strict=True)
        if error.status == RPCStatusCode.NOT_FOUND
    )
    assert len(limited) + taken.total() == len(calls)
    assert taken["complete"] > max(taken[kind] for kind in kinds(overloaded) if kind != "complete")
    for error in limited:
        assert error.message == "namespace rate limit exceeded"
        (detail,) = error.grpc_status.details
        why = ResourceExhaustedFailure()
        assert detail.Unpack(why)
        assert why.cause == ResourceExhaustedCause.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT
        assert why.scope == ResourceExhaustedScope.RESOURCE_EXHAUSTED_SCOPE_NAMESPACE
