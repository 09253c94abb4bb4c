"""Stopping the server answers every request in progress, over a real socket."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ringback.app.web import bound_socket, served
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.domain.api_key import Role
from ringback.domain.callback import Callback
from ringback.ports.clock import Clock
from ringback.ports.store import CallbackStore
from tests import factories
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
    assert "Traceback" not in caplog.text
