"""Stopping the server answers every request in progress, over a real socket."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ringback.app.web import bound_socket, served, url_of
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.domain.api_key import Role
from ringback.domain.callback import Callback
from ringback.ports.clock import Clock
from ringback.ports.store import CallbackStore
from tests import factories
from tests.loops import ManualTimeLoop, idle, run_in_manual_time
from tests.unit.gateway.house import House, key_of, opened_house


class ObservedVerdicts(VerdictWaiter):
    """Shows when a request has begun to wait."""

    def __init__(self, store: CallbackStore, clock: Clock) -> None:
        super().__init__(store, clock)
        self.has_begun = asyncio.Event()

    async def wait(self, *given: Any, **options: Any) -> Callback | None:
        self.has_begun.set()
        return await super().wait(*given, **options)


@asynccontextmanager
async def requested(
    house: House, method: str, path: str, **more: Any
) -> AsyncIterator[asyncio.Task[httpx2.Response]]:
    """Serve the house for the block, in which a request is made that waits."""
    listening = bound_socket("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with httpx2.AsyncClient(base_url=url, timeout=20, verify=False) as http:
        async with served(house.app, listening, on_stop=house.verdicts.stop_waiting):
            waiting = asyncio.ensure_future(http.request(method, path, **more))
            assert isinstance(house.verdicts, ObservedVerdicts)
            async with asyncio.timeout(10):
                await house.verdicts.has_begun.wait()
            yield waiting
        await waiting


async def path_to_callback(house: House) -> tuple[str, str]:
    # Temporal is away, so the verdict does not come.
    callback = await house.asked()
    house.activities.is_reachable = False
    return callback.id, f"/c/{house.keyring.sign(factories.link(to=callback.id))}"


async def test_post_that_waits_gets_202_when_the_gateway_stops(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with opened_house(make_verdicts=ObservedVerdicts) as house:
        _, path = await path_to_callback(house)
        async with requested(
            house, "POST", path, content=b"1", headers={"prefer": "wait=60"}
        ) as waiting:
            pass

    reply = waiting.result()
    assert (reply.status_code, reply.json()["state"]) == (202, "accepted")
    assert [one for one in caplog.records if one.levelno >= logging.ERROR] == []


async def test_repeated_post_that_waits_gets_200_when_the_gateway_stops() -> None:
    async with opened_house(make_verdicts=ObservedVerdicts) as house:
        _, path = await path_to_callback(house)
        await house.http.post(path, content=b"1")
        async with requested(
            house, "POST", path, content=b"1", headers={"prefer": "wait=60"}
        ) as waiting:
            pass

    assert (waiting.result().status_code, waiting.result().json()["duplicate"]) == (200, True)


async def test_post_by_key_that_waits_gets_202_when_the_gateway_stops() -> None:
    async with opened_house(make_verdicts=ObservedVerdicts) as house:
        callback_id, _ = await path_to_callback(house)
        headers = {"prefer": "wait=60", "authorization": f"Bearer {key_of(Role.OPERATOR)}"}
        async with requested(
            house, "POST", f"/v1/callbacks/{callback_id}/complete", content=b"1", headers=headers
        ) as waiting:
            pass

    assert waiting.result().status_code == 202


@pytest.mark.parametrize(("known", "status"), [(True, 304), (False, 200)])
async def test_get_that_waits_is_answered_when_the_gateway_stops(
    *, known: bool, status: int
) -> None:
    async with opened_house(make_verdicts=ObservedVerdicts) as house:
        _, path = await path_to_callback(house)
        seen = await house.http.get(path)
        headers = {"prefer": "wait=60"} | ({"if-none-match": seen.headers["etag"]} if known else {})
        async with requested(house, "GET", path, headers=headers) as waiting:
            pass

    assert waiting.result().status_code == status


async def test_request_that_outlasts_the_stop_gets_503_and_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    has_begun = asyncio.Event()

    async def hang(_: Request) -> Response:
        has_begun.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    listening = bound_socket("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with httpx2.AsyncClient(base_url=url, timeout=20, verify=False) as http:
        async with served(Starlette(routes=[Route("/", hang)]), listening):
            hanging = asyncio.ensure_future(http.get("/"))
            await has_begun.wait()
        reply = await hanging

    assert (reply.status_code, reply.headers["retry-after"]) == (503, "2")
    assert reply.json()["detail"] == "the gateway is stopping; send the same again"
    assert "requests canceled to stop: 1" in caplog.messages
    assert "Traceback" not in caplog.text


def test_stop_waits_for_no_timer(caplog: pytest.LogCaptureFixture) -> None:
    """A client that stays connected is disconnected at once."""

    async def serve_once(_: ManualTimeLoop) -> tuple[bytes, bytes]:
        listening = bound_socket("127.0.0.1", 0)
        async with served(Response("here"), listening):
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            writer.write(b"GET / HTTP/1.1\r\nhost: gateway.example\r\n\r\n")
            reply = await reader.readuntil(b"here")
        rest = await reader.read()
        writer.close()
        return reply, rest

    reply, rest = run_in_manual_time(serve_once)

    assert reply.startswith(b"HTTP/1.1 200 OK")
    assert rest == b""
    assert caplog.messages == []


def test_stop_waits_for_a_request_whose_client_has_gone() -> None:
    """What it does, such as a commit, is not cut off."""
    ended: list[str] = []

    async def serve_once(_: ManualTimeLoop) -> None:
        has_begun, may_end = asyncio.Event(), asyncio.Event()

        async def work(_: Request) -> Response:
            has_begun.set()
            await may_end.wait()
            await idle()
            ended.append("request")
            return Response()

        listening = bound_socket("127.0.0.1", 0)
        async with served(Starlette(routes=[Route("/", work)]), listening, on_stop=may_end.set):
            _reader, writer = await asyncio.open_connection(*listening.getsockname())
            writer.write(b"GET / HTTP/1.1\r\nhost: gateway.example\r\n\r\n")
            await has_begun.wait()
            writer.transport.abort()
            await idle()
        ended.append("server")

    run_in_manual_time(serve_once)

    assert ended == ["request", "server"]


def test_date_of_replies_is_updated_each_second(monkeypatch: pytest.MonkeyPatch) -> None:
    async def date_later(loop: ManualTimeLoop) -> str:
        listening = bound_socket("127.0.0.1", 0)
        async with (
            served(Response("here"), listening),
            httpx2.AsyncClient(base_url=url_of(listening)) as http,
        ):
            await http.get("/")
            monkeypatch.setattr("time.time", lambda: 1.0)
            loop.advance(timedelta(seconds=1))
            await idle()
            return str((await http.get("/")).headers["date"])

    assert run_in_manual_time(date_later) == "Thu, 01 Jan 1970 00:00:01 GMT"
