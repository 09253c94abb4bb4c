"""Many activities at once, worked on ten at a time outside the worker.

    python examples/batch.py

It needs a Temporal server at TEMPORAL_ADDRESS, or at localhost:7233, and no gateway.
A workflow has forty addresses checked; one of them does not exist, which stops no other.
"""

import asyncio
import atexit
import time
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker

from ringback import ActivityRef, AsyncCompletionClient, Batcher, Ending, Progress, fail_with

TASK_QUEUE = "batch"
ADDRESSES = 40
SIZE = 10
Request = tuple[ActivityRef, str]


class Queue:
    """What lies between the worker and the checker; a real system has a message queue."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[Request] = asyncio.Queue()

    @activity.defn
    async def check(self, address: str) -> str:
        """Hand the address over, with the ids by which its activity is completed."""
        info = activity.info()
        ref = ActivityRef(info.activity_id, info.workflow_id, info.workflow_run_id)
        self.requests.put_nowait((ref, address))
        activity.raise_complete_async()


async def check(address: str) -> str:
    """Check one address: what this returns completes its activity, what it raises fails it."""
    await asyncio.sleep(0.1)
    if address.startswith("13 "):
        unknown = fail_with("UnknownAddress", f"there is no {address}", non_retryable=True)
        raise unknown
    return f"{address} exists"


def show(progress: Progress) -> None:
    """Show how far it is."""
    if progress.done % SIZE == 0:
        print(f"{progress.done} of {ADDRESSES} done", flush=True)


async def checker(client: AsyncCompletionClient, queue: Queue) -> None:
    """Take requests in as there is room; the end of the block works off what still waits."""
    batcher = Batcher(
        client,
        check,
        size=SIZE,
        every=timedelta(seconds=0.5),
        bound=2 * SIZE,
        on_progress=show,
    )
    deliveries = []
    async with batcher:
        for _ in range(ADDRESSES):
            ref, address = await queue.requests.get()
            deliveries.append(await batcher.put(ref, address))
    failed = [one.result().failure for one in deliveries if one.result().ending is Ending.FAILED]
    print(f"{batcher.progress.completed} completed, failed: {failed}", flush=True)


@workflow.defn
class Checking:
    """Has many addresses checked at once."""

    @workflow.run
    async def run(self) -> int:
        """Return how many of them exist."""
        found = await asyncio.gather(*(exists(f"{n} High Street") for n in range(ADDRESSES)))
        return sum(found)


async def exists(address: str) -> bool:
    """Return whether the address exists.

    Raises:
        ActivityError: It could not be checked.
    """
    try:
        await workflow.execute_activity_method(
            Queue.check, address, start_to_close_timeout=timedelta(minutes=10)
        )
    except ActivityError as error:
        if not isinstance(error.cause, ApplicationError) or error.cause.type != "UnknownAddress":
            raise
        return False
    return True


async def main() -> None:
    """Run the worker, the checker and the workflow, all in this process."""
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    client = await Client.connect(**config)
    queue = Queue()
    async with Worker(
        client, task_queue=TASK_QUEUE, workflows=[Checking], activities=[queue.check]
    ):
        handle = await client.start_workflow(
            Checking.run,
            id="batch-of-addresses",
            task_queue=TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
        )
        await checker(AsyncCompletionClient(client), queue)
        print(f"{await handle.result()} addresses exist", flush=True)


if __name__ == "__main__":
    # The SDK's threads end a moment after the last call. A program that is gone before them may
    # crash or hang while it ends, see https://github.com/temporalio/sdk-python/issues/300.
    atexit.register(time.sleep, 0.1)
    asyncio.run(main())
