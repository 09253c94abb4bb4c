"""The Worker: runs the Workflow and the Activity until it is stopped."""

import asyncio
import atexit
import contextlib
import logging
import time

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker
from workflow import TASK_QUEUE, ChargeWorkflow, charge

from ringback import RingbackPlugin


async def main() -> None:
    """Serve the task queue."""
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    client = await Client.connect(**config, plugins=[RingbackPlugin()])
    worker = Worker(client, task_queue=TASK_QUEUE, workflows=[ChargeWorkflow], activities=[charge])
    print("Worker is running. Ctrl+C stops it.", flush=True)
    await worker.run()


if __name__ == "__main__":
    # The SDK's threads end a moment after the last call. A program that is gone before them may
    # crash or hang while it ends, see https://github.com/temporalio/sdk-python/issues/300.
    atexit.register(time.sleep, 0.1)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    activity.logger.base_logger.setLevel(logging.INFO)
    # Short lines, so that ids are easy to copy.
    activity.logger.activity_info_on_message = False
    workflow.logger.workflow_info_on_message = False
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
