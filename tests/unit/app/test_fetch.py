"""A fetch ends soon, follows nothing, and its errors do not repeat the URL."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ringback.app.source_files import LARGEST, fetch
from ringback.app.web import bound_socket, served


async def reply(request: Request) -> Response:
    match request.path_params["what"]:
        case "large":
            return Response(b"x" * (LARGEST + 1))
        case "moved":
            return RedirectResponse("/good")
        case "missing":
            return Response(status_code=404)
        case _:
            return Response(b"a certificate")


@pytest.fixture
async def url() -> AsyncIterator[str]:
    listening = bound_socket("127.0.0.1", 0)
    app = Starlette(routes=[Route("/{what}", reply)])
    async with served(app, listening):
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


async def test_body_is_returned(url: str) -> None:
    assert await asyncio.to_thread(fetch, f"{url}/good") == b"a certificate"


@pytest.mark.parametrize("what", ["large", "moved", "missing"])
async def test_other_reply_is_an_error(url: str, what: str) -> None:
    with pytest.raises(OSError, match="the repl") as failed:
        await asyncio.to_thread(fetch, f"{url}/{what}")
    assert url not in str(failed.value)


def test_server_that_is_away_is_an_error() -> None:
    with pytest.raises(OSError, match="the request failed: ConnectError"):
        fetch("http://127.0.0.1:1/secret")
