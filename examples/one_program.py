"""One program: the gateway and a worker in the same process.

    python examples/one_program.py worker       runs the gateway at port 8000, and a worker
    python examples/one_program.py ask 17       asks whether order 17 may be shipped
    curl -X POST -d true <link>                 answers; the link is what the worker prints

It needs a Temporal server at TEMPORAL_ADDRESS, or at localhost:7233, and `ringback[gateway]`.
"""

import asyncio
import atexit
import contextlib
import os
import sys
import time
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

from ringback import Callback, RingbackPlugin, run_gateway, wait_for_callback

TASK_QUEUE = "one-program"
PORT = int(os.environ.get("GATEWAY_PORT", "8000"))


@activity.defn
async def ask(order: str) -> bool:
    """Print a link, and end with what is posted to it."""

    async def submit(callback: Callback) -> None:
        print(f"May order {order} be shipped? {callback.url}", flush=True)

    return await wait_for_callback(submit, bool)


@workflow.defn
class ShipWorkflow:
    """Ships an order once somebody has said yes."""

    @workflow.run
    async def run(self, order: str) -> bool:
        """Return the answer."""
        return await workflow.execute_activity(
            ask, order, schedule_to_close_timeout=timedelta(hours=1)
        )


async def connect(*plugins: RingbackPlugin) -> Client:
    """Connect to Temporal."""
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    return await Client.connect(**config, plugins=list(plugins))


async def work() -> None:
    """Run the gateway and the worker until Ctrl+C."""
    async with run_gateway(port=PORT) as url:
        client = await connect(RingbackPlugin(url=url))
        worker = Worker(client, task_queue=TASK_QUEUE, workflows=[ShipWorkflow], activities=[ask])
        print(f"Gateway at {url} and worker are running. Ctrl+C stops both.", flush=True)
        await worker.run()


async def start(order: str) -> None:
    """Start the workflow, and wait for its end."""
    client = await connect()
    may_ship = await client.execute_workflow(
        ShipWorkflow.run, order, id=f"ship-{order}", task_queue=TASK_QUEUE
    )
    print("shipped" if may_ship else "not shipped")


if __name__ == "__main__":
    # The SDK's threads end a moment after the last call. A program that is gone before them may
    # crash or hang while it ends, see https://github.com/temporalio/sdk-python/issues/300.
    atexit.register(time.sleep, 0.1)
    with contextlib.suppress(KeyboardInterrupt):
        match sys.argv[1:]:
            case ["worker"]:
                asyncio.run(work())
            case ["ask", given]:
                asyncio.run(start(given))
            case _:
                sys.exit("usage: one_program.py worker | ask ORDER")
