"""The check of permissions reports the request that Temporal rejects, and changes nothing."""

from typing import Any, cast

import pytest
from google.protobuf.message import Message
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from ringback.domain.errors import TemporalMisconfiguredError, TemporalUnreachableError
from ringback.temporal.connect import check_permissions


class Service:
    """A server without workflows, which replies to the request `name` with `status`."""

    def __init__(self, name: str = "", status: RPCStatusCode = RPCStatusCode.NOT_FOUND) -> None:
        self.statuses = {name: status}
        self.asked: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        async def reply(message: Message, **_: object) -> None:
            self.asked.append(message)
            msg = "no"
            raise RPCError(msg, self.statuses.get(name, RPCStatusCode.NOT_FOUND), b"")

        return reply


class ClientOf:
    """The client of one service."""

    namespace = "orders"

    def __init__(self, service: Service) -> None:
        self.workflow_service = service


async def check(service: Service) -> None:
    await check_permissions(cast("Client", ClientOf(service)))


async def test_server_that_looks_for_the_workflow_permits_the_requests() -> None:
    service = Service()

    await check(service)

    assert len(service.asked) == 4
    assert {message.namespace for message in service.asked} == {"orders"}


@pytest.mark.parametrize(
    ("method", "request_name"),
    [
        ("describe_workflow_execution", "DescribeWorkflowExecution"),
        ("get_workflow_execution_history_reverse", "GetWorkflowExecutionHistoryReverse"),
        ("record_activity_task_heartbeat_by_id", "RecordActivityTaskHeartbeatById"),
        ("respond_activity_task_completed_by_id", "RespondActivityTaskCompletedById"),
    ],
)
async def test_request_that_is_denied_is_named(method: str, request_name: str) -> None:
    with pytest.raises(TemporalMisconfiguredError, match=f"{request_name} is rejected"):
        await check(Service(method, RPCStatusCode.PERMISSION_DENIED))


async def test_unreachable_server_is_not_reported_as_a_denial() -> None:
    with pytest.raises(TemporalUnreachableError):
        await check(Service("describe_workflow_execution", RPCStatusCode.UNAVAILABLE))
