"""The demo service, over HTTP, with a fake gateway."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from ringback.app.web import bound_socket, served
from ringback.demo.request import ActivityAction
from tests.demo.gateway_stand_in import GatewayStandIn

COMPLETED = ("complete", {"message": "the work is done", "seconds": 0})
FAILED = (
    "fail",
    {"message": "the work could not be done", "type": "WorkFailed", "non_retryable": True},
)
CANCELED = ("cancel", {"reason": "the service was asked to stop"})


async def ask(
    service_url: str, gateway: GatewayStandIn, *, key: str | None = None, **wanted: Any
) -> httpx2.Response:
    urls = {"callback_url": gateway.callback_url, "action_urls": gateway.action_urls}
    body = {"time_to_request": 0, "time_to_callback": 0, **urls, **wanted}
    async with httpx2.AsyncClient(verify=False) as http:
        return await http.post(
            f"{service_url}/request", json=body, headers={"Idempotency-Key": key or uuid4().hex}
        )


async def test_health_check_returns_200(service_url: str) -> None:
    async with httpx2.AsyncClient(verify=False) as http:
        reply = await http.get(f"{service_url}/healthz")

    assert (reply.status_code, reply.json()) == (200, {"status": "ok"})


async def test_service_replies_200_and_calls_back_later(
    service_url: str, gateway: GatewayStandIn
) -> None:
    reply = await ask(service_url, gateway, key="cb_1")

    assert (reply.status_code, reply.json()) == (
        200,
        {"request_id": "cb_1", "is_repeated": False},
    )
    assert await gateway.answers.get() == COMPLETED


async def test_callback_may_arrive_before_the_200(
    service_url: str, gateway: GatewayStandIn
) -> None:
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(ask(service_url, gateway, time_to_request=1))
        answer = await gateway.answers.get()
        was_answered = asking.done()

    assert answer == COMPLETED
    assert not was_answered
    assert asking.result().status_code == 200


async def test_service_reports_a_failure(service_url: str, gateway: GatewayStandIn) -> None:
    await ask(service_url, gateway, activity_action="fail")

    assert await gateway.answers.get() == FAILED


async def test_heartbeats_end_after_a_410(service_url: str, gateway: GatewayStandIn) -> None:
    gateway.replies.append((410, {}))

    await ask(service_url, gateway, activity_action="heartbeat")
    first = await gateway.answers.get()
    await ask(service_url, gateway, time_to_callback=2)

    assert first == ("heartbeat", {"progress": "1/3"})
    assert await gateway.answers.get() == (
        "complete",
        {"message": "the work is done", "seconds": 2},
    )


async def test_requested_cancellation_is_reported(
    service_url: str, gateway: GatewayStandIn
) -> None:
    asked = {"state": "open", "cancel_requested": True}
    gateway.states.extend([{"state": "open", "cancel_requested": False}, asked])

    await ask(service_url, gateway, activity_action="report_cancellation")

    assert await gateway.answers.get() == CANCELED
    assert list(gateway.states) == [asked]


@pytest.mark.parametrize("action", list(ActivityAction))
async def test_callback_url_is_used_as_it_is_and_the_action_is_in_the_body(
    service_url: str, gateway: GatewayStandIn, action: ActivityAction
) -> None:
    url = gateway.callback_url.replace("/c/secret", "/callback?task_token=abc")

    await ask(service_url, gateway, callback_url=url, action_urls={}, activity_action=action)

    query, body = await gateway.answers.get()
    assert query == "task_token=abc"
    assert body["activity_action"] == action


async def test_ignored_callback_is_sent_all_the_same(
    service_url: str, gateway: GatewayStandIn
) -> None:
    await ask(service_url, gateway, activity_action="ignore")

    assert await gateway.answers.get() == ("heartbeat", COMPLETED[1])


async def test_cancellation_of_an_ended_activity_is_not_reported(
    service_url: str, gateway: GatewayStandIn
) -> None:
    gateway.states.append({"state": "applied", "cancel_requested": None})

    await ask(service_url, gateway, activity_action="report_cancellation")
    await ask(service_url, gateway, time_to_callback=1)

    assert await gateway.answers.get() == (
        "complete",
        {"message": "the work is done", "seconds": 1},
    )


async def test_requests_with_one_key_are_done_once(
    service_url: str, gateway: GatewayStandIn
) -> None:
    await ask(service_url, gateway, key="cb_2")
    repeated = await ask(service_url, gateway, key="cb_2", activity_action="fail")
    await ask(service_url, gateway, time_to_callback=1)

    assert repeated.json() == {"request_id": "cb_2", "is_repeated": True}
    assert await gateway.answers.get() == COMPLETED
    assert (await gateway.answers.get())[1]["seconds"] == 1


async def test_request_without_a_key_is_new_work(service_url: str, gateway: GatewayStandIn) -> None:
    body = {"time_to_request": 0, "time_to_callback": 0, "callback_url": gateway.callback_url}

    async with httpx2.AsyncClient(verify=False) as http:
        replies = [(await http.post(f"{service_url}/request", json=body)).json() for _ in "12"]

    assert replies[0]["request_id"] != replies[1]["request_id"]
    assert not replies[1]["is_repeated"]


@pytest.mark.parametrize("status", [429, 503])
async def test_callback_is_retried_after_the_requested_wait(
    service_url: str, gateway: GatewayStandIn, status: int
) -> None:
    gateway.replies.append((status, {"retry-after": "0"}))

    await ask(service_url, gateway)

    assert await gateway.answers.get() == COMPLETED
    assert await gateway.answers.get() == COMPLETED


async def test_callback_is_retried_while_the_gateway_is_down(service_url: str) -> None:
    was_tried = asyncio.Event()

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        was_tried.set()

    away = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = away.sockets[0].getsockname()[1]
    gateway = GatewayStandIn(f"http://127.0.0.1:{port}")
    async with away:
        await ask(service_url, gateway)
        await was_tried.wait()

    async with served(gateway.app(), bound_socket("127.0.0.1", port)):
        assert await gateway.answers.get() == COMPLETED


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_to_request": -1},
        {"time_to_callback": "soon"},
        {"activity_action": "explode"},
        {"callback_url": "not a link"},
        {"callback_url": "file:///etc/passwd"},
        {"action_urls": {"fail": "not a link"}},
        {"action_urls": {"explode": "http://gateway/c/secret"}},
    ],
)
async def test_unreadable_request_returns_422(
    service_url: str, gateway: GatewayStandIn, wrong: dict[str, Any]
) -> None:
    reply = await ask(service_url, gateway, **wrong)

    assert reply.status_code == 422
