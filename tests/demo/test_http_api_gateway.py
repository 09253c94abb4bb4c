"""The activity's requests to the demo service, over HTTP."""

from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ringback import Callback
from ringback.app.web import bound_socket, served
from ringback.demo.activity import (
    HttpApiGateway,
    ServiceRefusedError,
    ServiceUnavailableError,
)
from ringback.demo.request import ActivityAction, CallRequest
from ringback.domain.ids import CallbackId
from tests.demo.whole_demo import HOST

REQUEST = CallRequest(0, 5, ActivityAction.FAIL)
CALLBACK = Callback(CallbackId("cb_1"), None, False, "http://gateway/c/secret")  # noqa: FBT003 - the field tells


class ServiceStandIn:
    """Records its requests, and replies with `status`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 200
        self.asked: list[tuple[str | None, dict[str, object]]] = []
        self.queries: list[str] = []

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/request", self._reply, methods=["POST"])])

    async def _reply(self, request: Request) -> Response:
        self.queries.append(request.url.query)
        self.asked.append((request.headers.get("idempotency-key"), await request.json()))
        return PlainTextResponse("", self.status)


@pytest.fixture
async def service() -> AsyncIterator[ServiceStandIn]:
    listening = bound_socket(HOST, 0)
    stand_in = ServiceStandIn(f"http://{HOST}:{listening.getsockname()[1]}/")
    async with served(stand_in.app(), listening):
        yield stand_in


async def test_request_has_the_links_and_the_id_as_idempotency_key(
    service: ServiceStandIn,
) -> None:
    await HttpApiGateway(service.url).request(REQUEST, CALLBACK)

    asked = {
        "time_to_request": 0,
        "time_to_callback": 5,
        "activity_action": "fail",
        "callback_url": "http://gateway/c/secret",
        "action_urls": {
            "complete": "http://gateway/c/secret/complete",
            "heartbeat": "http://gateway/c/secret/heartbeat",
            "fail": "http://gateway/c/secret/fail",
            "report_cancellation": "http://gateway/c/secret/cancel",
            "ignore": "http://gateway/c/secret/heartbeat",
        },
    }
    assert service.asked == [("cb_1", asked)]


async def test_service_url_with_a_query_keeps_it_behind_the_path(service: ServiceStandIn) -> None:
    await HttpApiGateway(f"{service.url}?tenant=7").request(REQUEST, CALLBACK)

    assert service.queries == ["tenant=7"]


@pytest.mark.parametrize("status", [301, 400, 404, 422])
async def test_rejection_is_final(service: ServiceStandIn, status: int) -> None:
    service.status = status

    with pytest.raises(ServiceRefusedError, match=str(status)):
        await HttpApiGateway(service.url).request(REQUEST, CALLBACK)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_temporary_status_is_retryable(service: ServiceStandIn, status: int) -> None:
    service.status = status

    with pytest.raises(ServiceUnavailableError, match=str(status)):
        await HttpApiGateway(service.url).request(REQUEST, CALLBACK)


async def test_unreachable_service_is_retryable() -> None:
    with bound_socket(HOST, 0) as listening:
        url = f"http://{HOST}:{listening.getsockname()[1]}"

    with pytest.raises(ServiceUnavailableError, match="cannot be reached"):
        await HttpApiGateway(url).request(REQUEST, CALLBACK)
