"""The Starter: starts the Workflow, waits for it and prints its result."""

import asyncio
import atexit
import json
import time

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.envconfig import ClientConfig
from workflow import TASK_QUEUE, WORKFLOW_ID, RefundAgent


async def main() -> None:
    """Start one Workflow and wait for it."""
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    client = await Client.connect(**config)
    handle = await client.start_workflow(
        RefundAgent.run,
        json.dumps({"order": "17", "euros": 250}),
        id=WORKFLOW_ID,
        task_queue=TASK_QUEUE,
        # An unfinished run of an earlier try makes room for this one.
        id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
    )
    print(f"Started workflow {handle.id}, waiting for its result.", flush=True)
    print(f"Result: {await handle.result()}")


if __name__ == "__main__":
    # The SDK's threads end a moment after the last call. A program that is gone before them may
    # crash or hang while it ends, see https://github.com/temporalio/sdk-python/issues/300.
    atexit.register(time.sleep, 0.1)
    asyncio.run(main())
