"""What heartbeats cost without Ringback: the raw task token in the query, a call for each.

Run as `python -m benchmarks.rivals.heartbeat <address of Temporal>`; prints `ready <url>`.
"""

import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.client import Client

from benchmarks.rivals.serving import serve
from ringback.app.program import run


def path_of(task_token: bytes) -> str:
    """Return the path that takes heartbeats of the activity that `task_token` names."""
    return f"/heartbeat?token={urlsafe_b64encode(task_token).decode()}"


def heartbeat_app(client: Client) -> Starlette:
    """Return the application; it answers when Temporal has."""

    async def heartbeat(request: Request) -> Response:
        token = urlsafe_b64decode(request.query_params["token"])
        await client.get_async_activity_handle(task_token=token).heartbeat(await request.json())
        return JSONResponse({"ok": True})

    return Starlette(routes=[Route("/heartbeat", heartbeat, methods=["POST"])])


async def _serve(address: str) -> None:
    client = await Client.connect(address)
    await serve(heartbeat_app(client))


if __name__ == "__main__":
    run(_serve(sys.argv[1]))
