"""Messages through Apprise: sent once, in a bounded time, without showing the URL."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ringback.app.web import bound_socket, served
from ringback.domain.errors import ConfigurationError
from ringback.domain.ids import CallbackId
from ringback.domain.notification import Notice, Purpose
from ringback.notify.apprise_channel import AppriseChannel
from ringback.ports.notifications import NotSent, PersonalMessage, Sent
from tests import factories

NOTICE = Notice(
    CallbackId("cb_1"),
    "Order\n7 \u202e",
    description="Four chairs",
    details=[("euros", "1200")],
    deadline_at=factories.NOW,
    url="https://ring.example/inbox/cb_1",
)


class Service:
    """A service that takes JSON."""

    def __init__(self) -> None:
        self.port = 0
        self.got: list[dict[str, Any]] = []
        self.status = 200
        self.hangs = False
        self.may_reply = asyncio.Event()

    async def take(self, request: Request) -> Response:
        self.got.append(json.loads(await request.body()))
        if self.hangs:
            await self.may_reply.wait()
        return Response(status_code=self.status)

    def channel(self, **options: Any) -> AppriseChannel:
        return AppriseChannel("ops", f"json://127.0.0.1:{self.port}/hush", **options)


@asynccontextmanager
async def running() -> AsyncIterator[Service]:
    service, listening = Service(), bound_socket("127.0.0.1", 0)
    service.port = listening.getsockname()[1]
    app = Starlette(routes=[Route("/{path:path}", service.take, methods=["POST"])])
    async with served(app, listening):
        yield service


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running() as service:
        yield service


def message(purpose: Purpose = Purpose.ASK) -> PersonalMessage:
    return PersonalMessage("nf_1.ask", "", purpose, NOTICE)


async def test_message_has_question_and_url(service: Service) -> None:
    channel = service.channel()

    sent = await channel.send(message())
    channel.close()

    assert sent == Sent()
    (got,) = service.got
    assert got["title"] == "Order 7"
    assert got["message"] == (
        "Four chairs\neuros: 1200\nDecide here: https://ring.example/inbox/cb_1\n"
        "Until: 2030-01-01 00:00 UTC"
    )


async def test_reminder_says_that_it_is_one(service: Service) -> None:
    channel = service.channel()

    await channel.send(message(Purpose.REMIND))
    channel.close()

    assert service.got[0]["title"] == "Reminder: Order 7"


async def test_service_that_refuses_is_tried_again(service: Service) -> None:
    service.status = 500
    channel = service.channel()

    failed = await channel.send(message())
    channel.close()

    assert isinstance(failed, NotSent)
    assert "FAILURE" in failed.reason
    assert "hush" not in failed.reason


async def test_service_that_hangs_ends_in_time(service: Service) -> None:
    service.hangs = True
    channel = service.channel(patience=timedelta(milliseconds=50))

    failed = await channel.send(message())
    service.may_reply.set()
    channel.close()

    assert failed == NotSent("the service did not reply in time")


@pytest.mark.parametrize(
    "url", ["", "hush", "nothing://hush", "json://a.example/hush, json://b.example/hush"]
)
def test_url_that_apprise_does_not_know_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ops: this is not one notification URL") as caught:
        AppriseChannel("ops", url)

    assert "hush" not in str(caught.value)
