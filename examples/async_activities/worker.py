"""The worker: it runs the workflow and the activity, and for option 1 an HTTP server.

python -m worker               option 1: the raw task token
python -m worker --option 2    option 2: Ringback; needs `ringback serve`, or `ringback dev`
"""

import argparse
import asyncio
import atexit
import base64
import contextlib
import socket
import time

import uvicorn
from fastapi import FastAPI, HTTPException
from temporalio.client import AsyncActivityCancelledError
from temporalio.service import RPCError
from temporalio.worker import Worker

import settings
from activities.async_activity import AsyncActivity
from activities.resuming_activity import ResumingActivity
from gateways.http_api_gateway import Answer, HttpApiGateway
from ringback import RingbackPlugin
from workflows.call_service import CallService


async def run_option_1() -> None:
    """Run the worker and the HTTP server that receives callbacks, in one process."""
    client = await settings.connect()
    gateway = HttpApiGateway(settings.HTTP_SERVICE_URL)
    activity = AsyncActivity(gateway, client, settings.WORKER_HTTP_URL)
    config = uvicorn.Config(create_app(activity), log_level="error")
    # Listen before the worker starts: a callback may be quick.
    with socket.create_server((settings.HOST, settings.WORKER_HTTP_PORT)) as listening:
        async with Worker(
            client,
            task_queue=settings.TASK_QUEUE,
            workflows=[CallService],
            activities=[activity.run],
        ):
            print("Worker and its HTTP server are running. Ctrl+C stops both.", flush=True)
            await uvicorn.Server(config).serve(sockets=[listening])


def create_app(activity: AsyncActivity) -> FastAPI:
    """Return the HTTP server: it passes each callback to the activity."""
    app = FastAPI(title="Worker HTTP server")

    @app.post("/callback")
    async def callback(task_token: str, answer: Answer) -> dict[str, str]:
        try:
            await activity.callback(base64.urlsafe_b64decode(task_token), answer)
        except (RPCError, AsyncActivityCancelledError) as exc:
            # Is it done already, too late, or for somebody else? Temporal does not say.
            raise HTTPException(410, str(exc)) from exc
        except ValueError as exc:
            raise HTTPException(400, "the task token is not base64") from exc
        return {"status": "ok"}

    return app


async def run_option_2() -> None:
    """Run the worker alone: Ringback's gateway receives callbacks."""
    client = await settings.connect(RingbackPlugin())
    activity = ResumingActivity(HttpApiGateway(settings.HTTP_SERVICE_URL))
    worker = Worker(
        client,
        task_queue=settings.TASK_QUEUE,
        workflows=[CallService],
        activities=[activity.run],
    )
    print("Worker is running. Ctrl+C stops it.", flush=True)
    await worker.run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Runs the workflow and the activity.")
    parser.add_argument("--option", type=int, choices=[1, 2], default=1)
    given = parser.parse_args()
    # The SDK's threads end a moment after the last call. A program that is gone before them may
    # crash or hang while it ends, see https://github.com/temporalio/sdk-python/issues/300.
    atexit.register(time.sleep, 0.1)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run_option_1() if given.option == 1 else run_option_2())
