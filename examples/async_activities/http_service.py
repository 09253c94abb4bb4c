"""The HTTP service: somebody else's program, which knows neither Temporal nor Ringback.

    python -m http_service

`POST /request` enqueues work, replies 200, and later posts to `callback_url`.
"""

import asyncio
import contextlib
from typing import Annotated, Literal

import httpx2
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field

import settings

Seconds = Annotated[int, Field(ge=0)]

app = FastAPI(title="External HTTP service")
work: set[asyncio.Future[None]] = set()


class WorkRequest(BaseModel):
    """The body of `POST /request`.

    Attributes:
        callback_url: Where to call back; used unchanged.
        time_to_request: How many seconds the caller waits for the 200.
        time_to_callback: How many seconds after the request arrived the service calls back.
        activity_action: What the callback asks of the activity.
    """

    callback_url: str
    time_to_request: Seconds = 1
    time_to_callback: Seconds = 10
    activity_action: Literal["heartbeat", "complete", "fail", "report_cancellation", "ignore"] = (
        "complete"
    )


@app.post("/request")
async def request(wanted: WorkRequest) -> dict[str, str]:
    """Enqueue the work; reply when the time to request has passed."""
    enqueued = asyncio.ensure_future(do_work(wanted))
    work.add(enqueued)
    enqueued.add_done_callback(work.discard)
    await asyncio.sleep(wanted.time_to_request)
    return {"status": "enqueued"}


async def do_work(wanted: WorkRequest) -> None:
    """Work, and then call back; retry once a second for a minute while there is no reply."""
    await asyncio.sleep(wanted.time_to_callback)
    body = {"activity_action": wanted.activity_action, "message": "the work is done"}
    if wanted.activity_action == "fail":
        body["message"] = "the work could not be done"
    async with httpx2.AsyncClient() as http:
        for _ in range(60):
            try:
                reply = await http.post(wanted.callback_url, json=body)
            except httpx2.TransportError:
                print("called back: no reply", flush=True)
            else:
                # The URL is a credential, and so it is not printed.
                print(f"called back: {reply.status_code}", flush=True)
                if not reply.is_server_error:
                    return
            await asyncio.sleep(1)


if __name__ == "__main__":
    port = int(settings.HTTP_SERVICE_URL.rpartition(":")[2])
    print("HTTP service is running. Ctrl+C stops it.", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.run(app, host=settings.HOST, port=port, log_level="error")
