"""A workflow hands a long job to another program, which heartbeats and ends it by a link.

    ringback serve                                          the gateway
    python examples/long_integration.py farm                a render farm, somebody else's program
    python examples/long_integration.py worker              runs the workflow and its activity
    python examples/long_integration.py render intro 30     has 30 frames rendered
    python examples/long_integration.py render outro 999 --cancel-after 1

It needs a Temporal server at TEMPORAL_ADDRESS, or at localhost:7233. The farm needs neither
Temporal nor Ringback: it gets a URL, posts its progress there, and stops when asked to.
"""

import argparse
import asyncio
import atexit
import contextlib
import os
import sys
import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker
from temporalio.workflow import ActivityCancellationType

from ringback import Callback, RingbackPlugin, wait_for_callback

with workflow.unsafe.imports_passed_through():
    import httpx2
    import uvicorn
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

TASK_QUEUE = "long-integration"
FARM = os.environ.get("RENDER_FARM", "http://127.0.0.1:8003")
FRAMES_PER_HEARTBEAT = 5


@dataclass
class Job:
    """What to render."""

    film: str
    frames: int


@dataclass
class Film:
    """What the farm answers with."""

    file: str
    frames: int


@activity.defn
async def render(job: Job) -> Film:
    """Hand the job over, and end with what the farm calls back with."""

    async def submit(callback: Callback) -> None:
        async with httpx2.AsyncClient() as http:
            reply = await http.post(
                f"{FARM}/jobs",
                json={**asdict(job), "callback_url": callback.url},
                headers={"Idempotency-Key": callback.id},
            )
        reply.raise_for_status()

    return await wait_for_callback(submit, Film, heartbeat="sender", title=f"Film {job.film}")


@workflow.defn
class RenderWorkflow:
    """Has a film rendered, for up to two days, as long as the farm shows progress."""

    @workflow.run
    async def run(self, job: Job) -> Film:
        """Return the film."""
        return await workflow.execute_activity(
            render,
            job,
            schedule_to_close_timeout=timedelta(days=2),
            heartbeat_timeout=timedelta(seconds=10),
            # The workflow ends once the farm has stopped, and not before.
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


KNOWN: set[str] = set()
"""The jobs that the farm has accepted, by their keys."""


async def accept(request: Request) -> Response:
    """Accept a job, as the farm; each key once."""
    key = request.headers["Idempotency-Key"]
    is_new = key not in KNOWN
    KNOWN.add(key)
    then = BackgroundTask(work_on, await request.json()) if is_new else None
    return Response(status_code=202, background=then)


async def work_on(job: dict[str, Any]) -> None:
    """Render frame by frame; post the progress, and in the end the film."""
    film, url = job["film"], job["callback_url"]
    async with httpx2.AsyncClient() as http:
        for frame in range(job["frames"]):
            await asyncio.sleep(0.05)
            if frame % FRAMES_PER_HEARTBEAT == 0:
                reply = await http.post(f"{url}/heartbeat", json={"frame": frame})
                if reply.is_success and reply.json()["cancel_requested"]:
                    await http.post(f"{url}/cancel", json={"reason": "stopped", "frame": frame})
                    print(f"{film}: stopped", flush=True)
                    return
        await post_until_accepted(http, url, {"file": f"{film}.mp4", "frames": job["frames"]})
    print(f"{film}: rendered", flush=True)


async def post_until_accepted(http: httpx2.AsyncClient, url: str, film: dict[str, Any]) -> None:
    """Post the film. To post the same again is safe."""
    while True:
        with contextlib.suppress(httpx2.TransportError):
            reply = await http.post(url, json=film)
            if not reply.is_server_error:
                return
        await asyncio.sleep(1)


def run_farm() -> None:
    """Run the farm until Ctrl+C. It logs no requests: a link has no place in a log."""
    app = Starlette(routes=[Route("/jobs", accept, methods=["POST"])])
    print("Farm is running. Ctrl+C stops it.", flush=True)
    uvicorn.run(app, port=int(FARM.rpartition(":")[2]), log_level="error")


async def run_worker(client: Client) -> None:
    """Run the worker until Ctrl+C."""
    worker = Worker(client, task_queue=TASK_QUEUE, workflows=[RenderWorkflow], activities=[render])
    print("Worker is running. Ctrl+C stops it.", flush=True)
    await worker.run()


async def order(client: Client, job: Job, cancel_after: float | None) -> None:
    """Start the workflow, wait for its end, and print it."""
    handle = await client.start_workflow(
        RenderWorkflow.run, job, id=f"render-{job.film}", task_queue=TASK_QUEUE
    )
    if cancel_after is not None:
        await asyncio.sleep(cancel_after)
        await handle.cancel()
    try:
        film = await handle.result()
    except WorkflowFailureError as failure:
        sys.exit(f"not rendered: {failure.cause}")
    print(f"{film.file} has {film.frames} frames")


async def main(arguments: argparse.Namespace) -> None:
    """Connect, and do what the command line says."""
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    client = await Client.connect(**config, plugins=[RingbackPlugin()])
    if arguments.command == "worker":
        await run_worker(client)
    else:
        await order(client, Job(arguments.film, arguments.frames), arguments.cancel_after)


def read_arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description="Another program does a long job.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("farm")
    commands.add_parser("worker")
    job = commands.add_parser("render")
    job.add_argument("film")
    job.add_argument("frames", type=int)
    job.add_argument("--cancel-after", type=float)
    return parser.parse_args()


if __name__ == "__main__":
    # The SDK's threads end a moment after the last call. A program that is gone before them may
    # crash or hang while it ends, see https://github.com/temporalio/sdk-python/issues/300.
    atexit.register(time.sleep, 0.1)
    given = read_arguments()
    with contextlib.suppress(KeyboardInterrupt):
        if given.command == "farm":
            run_farm()
        else:
            asyncio.run(main(given))
