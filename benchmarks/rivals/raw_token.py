"""The design that Ringback began as: the raw task token in the query, Temporal asked in between.

Run as `python -m benchmarks.rivals.raw_token <address of Temporal>`; prints `ready <url>`.
"""

import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Any

from fastapi import Body, FastAPI
from temporalio.client import Client

from benchmarks.rivals.serving import serve
from ringback.app.program import run


def path_of(task_token: bytes) -> str:
    """Return the path that ends the activity that `task_token` names."""
    return f"/complete?token={urlsafe_b64encode(task_token).decode()}"


def create_app(client: Client) -> FastAPI:
    """Return the application; it answers when Temporal has."""
    app = FastAPI()

    @app.post("/complete")
    async def complete(token: str, value: Annotated[Any, Body()]) -> dict[str, bool]:
        handle = client.get_async_activity_handle(task_token=urlsafe_b64decode(token))
        await handle.complete(value)
        return {"ok": True}

    return app


async def _serve(address: str) -> None:
    client = await Client.connect(address)
    await serve(create_app(client))


if __name__ == "__main__":
    run(_serve(sys.argv[1]))
