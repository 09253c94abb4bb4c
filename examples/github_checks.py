"""A workflow waits for a CI run of GitHub, and releases what has passed.

    export GITHUB_WEBHOOK_SECRET="it's a secret to everybody"
    RINGBACK_SOURCES_FILE=examples/github_checks.toml ringback serve      the gateway
    python examples/github_checks.py worker               runs the workflow and its activities
    python examples/github_checks.py release v1.2 42      releases v1.2 if run 42 succeeds

Without a repository, send what GitHub would send. The secret must be that of the gateway:

    python examples/github_checks.py send 42 success
    python examples/github_checks.py send 42 failure

It needs a Temporal server at TEMPORAL_ADDRESS, or at localhost:7233. With a repository, add a
webhook with the URL of /in/github, the content type application/json, the secret, and the event
"Workflow runs" or "Check runs". `gh run list` shows the ids of runs.
"""

import argparse
import asyncio
import atexit
import contextlib
import hmac
import json
import os
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker

from ringback import Callback, RingbackPlugin, wait_for_callback

with workflow.unsafe.imports_passed_through():
    import httpx2

TASK_QUEUE = "github-checks"
GATEWAY = os.environ.get("RINGBACK_URL", "http://127.0.0.1:8000")


@dataclass
class Release:
    """What to release, and the run that must succeed first."""

    version: str
    run: int


@dataclass
class Checked:
    """What the rule in github_checks.toml makes of GitHub's event.

    A red run is a result and not a failure of the activity: waiting worked, GitHub has eight
    conclusions, and the workflow decides what each means. The activity fails only if the run does
    not end in time.
    """

    conclusion: str
    url: str


@activity.defn
async def wait_for_run(run: int) -> Checked:
    """End with the conclusion of the run. The run knows nothing of the activity."""

    async def submit(callback: Callback) -> None:
        # To start the run instead, do it here, and call callback.add_alias() with its id.
        activity.logger.info("%s waits for run %d", callback.id, run)

    return await wait_for_callback(
        submit, Checked, aliases=[f"github:run:{run}"], title=f"CI run {run}"
    )


@activity.defn
async def publish(version: str) -> str:
    """Publish it, so to speak."""
    return f"released {version}"


@workflow.defn
class ReleaseWorkflow:
    """Waits for up to six hours, and releases after a success."""

    @workflow.run
    async def run(self, release: Release) -> str:
        """Return what was released.

        Raises:
            ApplicationError: The run did not succeed.
        """
        checked = await workflow.execute_activity(
            wait_for_run, release.run, schedule_to_close_timeout=timedelta(hours=6)
        )
        if checked.conclusion != "success":
            message = f"run {release.run} ended with {checked.conclusion}, see {checked.url}"
            raise ApplicationError(message, type="ChecksFailed", non_retryable=True)
        return await workflow.execute_activity(
            publish, release.version, start_to_close_timeout=timedelta(minutes=1)
        )


async def send(run: int, conclusion: str) -> None:
    """Send an event to the gateway as GitHub does, with a real signature."""
    url = f"https://github.com/octo-org/octo-repo/actions/runs/{run}"
    event = {
        "action": "completed",
        "workflow_run": {"id": run, "conclusion": conclusion, "html_url": url},
    }
    body = json.dumps(event).encode()
    secret = os.environ["GITHUB_WEBHOOK_SECRET"].encode()
    headers = {
        "content-type": "application/json",
        "x-github-event": "workflow_run",
        "x-github-delivery": str(uuid4()),
        "x-hub-signature-256": f"sha256={hmac.new(secret, body, 'sha256').hexdigest()}",
    }
    async with httpx2.AsyncClient() as http:
        reply = await http.post(f"{GATEWAY}/in/github", content=body, headers=headers)
    print(f"{reply.status_code} {reply.text}")


async def work(client: Client) -> None:
    """Run the worker until Ctrl+C."""
    worker = Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[ReleaseWorkflow],
        activities=[wait_for_run, publish],
    )
    print("Worker is running. Ctrl+C stops it.", flush=True)
    await worker.run()


async def order(client: Client, release: Release) -> None:
    """Start the workflow, wait for its end, and print it."""
    handle = await client.start_workflow(
        ReleaseWorkflow.run, release, id=f"release-{release.version}", task_queue=TASK_QUEUE
    )
    try:
        print(await handle.result())
    except WorkflowFailureError as failure:
        cause = failure.cause.cause if isinstance(failure.cause, ActivityError) else failure.cause
        sys.exit(f"not released: {cause}")


async def main(arguments: argparse.Namespace) -> None:
    """Do what the command line says."""
    if arguments.command == "send":
        await send(arguments.run, arguments.conclusion)
        return
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    client = await Client.connect(**config, plugins=[RingbackPlugin()])
    if arguments.command == "worker":
        await work(client)
    else:
        await order(client, Release(arguments.version, arguments.run))


def read_arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description="GitHub's webhook ends an activity.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("worker")
    release = commands.add_parser("release")
    release.add_argument("version")
    release.add_argument("run", type=int)
    event = commands.add_parser("send")
    event.add_argument("run", type=int)
    event.add_argument("conclusion")
    return parser.parse_args()


if __name__ == "__main__":
    # The SDK's threads end a moment after the last call. A program that is gone before them may
    # crash or hang while it ends, see https://github.com/temporalio/sdk-python/issues/300.
    atexit.register(time.sleep, 0.1)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(read_arguments()))
