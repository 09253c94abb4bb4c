"""The ceiling: the same server stack as the gateway's, and an application that does nothing.

Run as `python -m benchmarks.rivals.noop <app>`; prints `ready <url>`. The application is a bare
`asgi` callable, or a `route` of Starlette.
"""

import json
import sys
from collections.abc import Mapping
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.rivals.serving import serve
from ringback.app.program import run

_RECEIPT: Final = {
    "callback": "cb_" + "0" * 26,
    "state": "accepted",
    "accepted_at": "2026-01-01T00:00:00.000000+00:00",
    "duplicate": False,
    "status_url": "http://gateway.example/c/" + "0" * 77,
}

_BODY: Final = json.dumps(_RECEIPT).encode()
_HEADERS: Final = [
    (b"content-length", b"%d" % len(_BODY)),
    (b"content-type", b"application/json"),
]


async def _reply(_: Scope, receive: Receive, send: Send) -> None:
    """Read the body, and reply with a receipt."""
    while (await receive()).get("more_body", False):
        pass
    await send({"type": "http.response.start", "status": 202, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _BODY})


async def _take(request: Request) -> JSONResponse:
    await request.body()
    return JSONResponse(_RECEIPT, status_code=202)


_APPS: Final[Mapping[str, ASGIApp]] = {
    "asgi": _reply,
    "route": Starlette(routes=[Route("/c/{link}", _take, methods=["POST"])]),
}


if __name__ == "__main__":
    run(serve(_APPS[sys.argv[1]]))
