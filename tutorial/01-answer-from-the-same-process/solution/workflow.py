"""A Worker, a Workflow, an Activity and a Starter in one file.

The Activity ends without a result, and another task completes it later.
"""

import asyncio
import atexit
import time
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

TASK_QUEUE = "tutorial-01"
WORKFLOW_ID = "tutorial-01-greeting"


@dataclass(frozen=True)
class GreetingRequest:
    """What a greeting is made of."""

    greeting: str
    name: str


class GreetingComposer:
    """An Activity in two methods: one starts the work, one brings the result."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.tasks: set[asyncio.Task[None]] = set()

    @activity.defn
    async def compose_greeting(self, request: GreetingRequest) -> str:
        """Start the work on a greeting, and leave its completion to a task."""
        print("Completing activity asynchronously")
        # PART A: start complete_greeting() as a task that knows the Task Token.
        task_token = activity.info().task_token
        task = asyncio.create_task(self.complete_greeting(task_token, request))
        # The event loop holds its tasks only weakly. A task that nobody else holds may be
        # garbage-collected before it is done.
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        # END PART A
        # PART B: end this method without completing the Activity.
        activity.raise_complete_async()
        # END PART B

    async def complete_greeting(self, task_token: bytes, request: GreetingRequest) -> None:
        """Work for three seconds with a Heartbeat each second, then complete the Activity."""
        # PART C: send a Heartbeat each second, then complete the Activity.
        handle = self.client.get_async_activity_handle(task_token=task_token)
        for _ in range(3):
            print("Waiting one second...")
            await handle.heartbeat()
            await asyncio.sleep(1)
        await handle.complete(f"{request.greeting}, {request.name}!")
        # END PART C


@workflow.defn
class GreetingWorkflow:
    """Asks for one greeting."""

    @workflow.run
    async def run(self, name: str) -> str:
        """Return a greeting for `name`."""
        return await workflow.execute_activity_method(
            GreetingComposer.compose_greeting,
            GreetingRequest("Hello", name),
            schedule_to_close_timeout=timedelta(seconds=15),
            heartbeat_timeout=timedelta(seconds=2),
        )


async def main() -> None:
    """Run one Workflow with a Worker of its own."""
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    client = await Client.connect(**config)
    composer = GreetingComposer(client)
    async with Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[GreetingWorkflow],
        activities=[composer.compose_greeting],
    ):
        print("Running workflow.")
        await client.execute_workflow(
            GreetingWorkflow.run,
            "World",
            id=WORKFLOW_ID,
            task_queue=TASK_QUEUE,
            # An unfinished run of an earlier try makes room for this one.
            id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
        )
        # The result may be here before complete_greeting() has returned.
        await asyncio.gather(*composer.tasks)
        print("Activity complete!")


if __name__ == "__main__":
    # The SDK's threads end a moment after the last call. A program that is gone before them may
    # crash or hang while it ends, see https://github.com/temporalio/sdk-python/issues/300.
    atexit.register(time.sleep, 0.1)
    asyncio.run(main())
