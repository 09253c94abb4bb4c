"""The client: a command that starts the workflow, waits for it, and prints how it ended."""

import asyncio
import atexit
import sys
import time
from typing import Annotated
from uuid import uuid4

import typer
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import (
    ActivityError,
    CancelledError,
    FailureError,
    TimeoutError,  # noqa: A004 - the SDK's name
)

import settings
from gateways.http_api_gateway import ActivityAction, CallRequest
from ringback.app.command_help import WholeWordsCommand
from workflows.call_service import CallService

DOCS = "https://docs.temporal.io/develop/python/asynchronous-activity-completion"

command = typer.Typer(rich_markup_mode=None, add_completion=False)


@command.command(cls=WholeWordsCommand)
def main(
    time_to_request: Annotated[
        int,
        typer.Option(
            "-ttr",
            "--time-to-request",
            metavar="INTEGER",
            help="How much time (in seconds) the HTTP Service waits until it returns an HTTP 200 OK"
            " response to the activity",
        ),
    ] = 1,
    time_to_callback: Annotated[
        int,
        typer.Option(
            "-ttc",
            "--time-to-callback",
            metavar="INTEGER",
            help="How much time (in seconds) the HTTP Service waits until it makes a callback"
            " request to the Worker HTTP /callback endpoint",
        ),
    ] = 10,
    activity_action: Annotated[
        ActivityAction,
        typer.Option(
            "-a",
            "--activity-action",
            metavar="[heartbeat|complete|fail|report_cancellation|ignore]",
            help="Which activity action do we want the activity to perform. (maps to the different"
            f" handle options described on {DOCS}).",
        ),
    ] = ActivityAction.COMPLETE,
) -> None:
    """Start the workflow, wait for it, and print how it ended."""
    request = CallRequest(
        time_to_request, time_to_callback, activity_action, settings.PATIENCE_SECONDS
    )
    # The SDK's threads end a moment after the last call. A program that is gone before them may
    # crash or hang while it ends, see https://github.com/temporalio/sdk-python/issues/300.
    atexit.register(time.sleep, 0.1)
    sys.exit(asyncio.run(call(request)))


async def call(request: CallRequest) -> int:
    """Start the workflow, wait for it, and return the exit code."""
    client = await settings.connect()
    handle = await client.start_workflow(
        CallService.run, request, id=f"call-service-{uuid4()}", task_queue=settings.TASK_QUEUE
    )
    print(f"started {handle.id}", flush=True)
    if request.activity_action is ActivityAction.REPORT_CANCELLATION:
        await until_started(handle)
        await handle.cancel()
        print("asked to cancel", flush=True)
    try:
        result = await handle.result()
    except WorkflowFailureError as failure:
        return print_failure(failure.cause)
    print(f"completed: {result}")
    return 0


async def until_started(handle: WorkflowHandle[CallService, str]) -> None:
    """Return once a worker runs the activity."""
    while True:
        description = await handle.describe()
        pending = description.raw_description.pending_activities
        if pending and pending[0].state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED:
            return
        await asyncio.sleep(0.25)


def print_failure(cause: BaseException | None) -> int:
    """Print why the workflow did not complete, and return the exit code."""
    if isinstance(cause, CancelledError):
        print("canceled")
        return 0
    if isinstance(cause, ActivityError):
        cause = cause.cause
    if isinstance(cause, TimeoutError):
        print("timed out")
    else:
        print(f"failed: {cause.message if isinstance(cause, FailureError) else cause}")
    return 1


if __name__ == "__main__":
    command(prog_name="python -m client")
