"""Each verb is one request, by token or by ids, with its common fields."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import RecordActivityTaskHeartbeatResponse
from temporalio.service import WorkflowService

from ringback.domain.activity_state import HeartbeatResponse
from ringback.domain.callback import ActivityExecution
from ringback.temporal.encoding import Cancellation, Result
from ringback.temporal.requests import ActivityRequests, Address

EXECUTION = ActivityExecution("default", "order-7", "a-run", "1", datetime.fromtimestamp(0, UTC))
SOME = Payloads(payloads=[Payload(data=b"1")])
SECOND = timedelta(seconds=1)


@dataclass
class Service:
    """Records the requests."""

    calls: list[tuple[str, Any, dict[str, Any]]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(request: object, **options: Any) -> RecordActivityTaskHeartbeatResponse:
            self.calls.append((name, request, options))
            return RecordActivityTaskHeartbeatResponse(activity_paused=True)

        return call


@pytest.fixture
def service() -> Service:
    return Service()


def requests(service: Service, address: Address) -> ActivityRequests:
    return ActivityRequests(
        cast("WorkflowService", service), address, identity="me/1", metadata={"x-tenant": "a"}
    )


async def send_all_requests(activity: ActivityRequests) -> None:
    for request in (
        activity.end(Result(SOME)),
        activity.end(Failure(message="no"), SOME),
        activity.end(Cancellation(SOME)),
        activity.heartbeat(SOME),
    ):
        await request(SECOND)


async def test_token_makes_requests_by_token(service: Service) -> None:
    await send_all_requests(requests(service, Address(EXECUTION, b"a token")))

    assert [name for name, *_ in service.calls] == [
        "respond_activity_task_completed",
        "respond_activity_task_failed",
        "respond_activity_task_canceled",
        "record_activity_task_heartbeat",
    ]
    assert {one.task_token for _, one, _ in service.calls} == {b"a token"}


async def test_ids_make_requests_by_ids(service: Service) -> None:
    await send_all_requests(requests(service, Address(EXECUTION)))

    assert [name for name, *_ in service.calls] == [
        "respond_activity_task_completed_by_id",
        "respond_activity_task_failed_by_id",
        "respond_activity_task_canceled_by_id",
        "record_activity_task_heartbeat_by_id",
    ]
    ids = {(one.workflow_id, one.run_id, one.activity_id) for _, one, _ in service.calls}
    assert ids == {("order-7", "a-run", "1")}


@pytest.mark.parametrize(
    "address", [Address(EXECUTION), Address(EXECUTION, b"x")], ids=["ids", "token"]
)
async def test_every_request_has_identity_headers_timeout_and_no_sdk_retries(
    service: Service, address: Address
) -> None:
    await send_all_requests(requests(service, address))

    assert {(one.identity, one.namespace) for _, one, _ in service.calls} == {("me/1", "default")}
    for _, _, options in service.calls:
        assert options == {"metadata": {"x-tenant": "a"}, "timeout": SECOND}


@pytest.mark.parametrize(
    "address", [Address(EXECUTION), Address(EXECUTION, b"x")], ids=["ids", "token"]
)
async def test_every_request_contains_its_arguments(service: Service, address: Address) -> None:
    await send_all_requests(requests(service, address))

    completed, failed, canceled, heartbeat = [one for _, one, _ in service.calls]
    assert (completed.result, canceled.details, heartbeat.details) == (SOME, SOME, SOME)
    assert (failed.failure.message, failed.last_heartbeat_details) == ("no", SOME)


async def test_heartbeat_response_contains_the_flags(service: Service) -> None:
    response = await requests(service, Address(EXECUTION)).heartbeat(None)(SECOND)

    assert response == HeartbeatResponse(cancel_requested=False, paused=True, reset=False)
