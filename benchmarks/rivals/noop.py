"""The ceiling: the same server stack as the gateway's, and a route that does nothing.

Run as `python -m benchmarks.rivals.noop <who>`; prints `ready <url>`. It writes a reply as that one
does: `uvicorn`, or the `gateway`.
"""

import sys
from collections.abc import Mapping
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from benchmarks.rivals.serving import serve
from ringback.app.limited_http import LimitedHttpProtocol
from ringback.app.program import run

_RECEIPT: Final = {
    "callback": "cb_" + "0" * 26,
    "state": "accepted",
    "accepted_at": "2026-01-01T00:00:00.000000+00:00",
    "duplicate": False,
    "status_url": "http://gateway.example/c/" + "0" * 77,
}

_WRITES: Final[Mapping[str, type[HttpToolsProtocol]]] = {
    "uvicorn": HttpToolsProtocol,
    "gateway": LimitedHttpProtocol,
}


async def _take(request: Request) -> JSONResponse:
    await request.body()
    return JSONResponse(_RECEIPT, status_code=202)


async def _serve(http: type[HttpToolsProtocol]) -> None:
    app = Starlette(routes=[Route("/c/{link}", _take, methods=["POST"])])
    await serve(app, http=http)


if __name__ == "__main__":
    run(_serve(_WRITES[sys.argv[1]]))
