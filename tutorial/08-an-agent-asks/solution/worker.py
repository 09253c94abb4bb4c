"""The Worker: runs the agent, its model and its tool until it is stopped."""

import asyncio
import atexit
import contextlib
import time
from collections.abc import Callable
from typing import Any

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker
from workflow import TASK_QUEUE, RefundAgent, ask_model, refund

from ringback import Callback, RingbackPlugin, agents


async def show_question(call: agents.ToolCall, callback: Callback) -> None:
    """Show whom to answer and where; a real Worker sends a message."""
    print(f"May {call.tool} run with {call.arguments}? {callback.id}", flush=True)
    print(f"Decide here: {callback.url}", flush=True)


def activities() -> list[Callable[..., Any]]:
    """Return the Activities of this Worker."""
    # PART A: add the Activity that asks people.
    return [ask_model, refund, agents.approvals(show_question)]
    # END PART A


async def main() -> None:
    """Serve the task queue."""
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    client = await Client.connect(**config, plugins=[RingbackPlugin()])
    worker = Worker(client, task_queue=TASK_QUEUE, workflows=[RefundAgent], activities=activities())
    print("Worker is running. Ctrl+C stops it.", flush=True)
    await worker.run()


if __name__ == "__main__":
    # The SDK's threads end a moment after the last call. A program that is gone before them may
    # crash or hang while it ends, see https://github.com/temporalio/sdk-python/issues/300.
    atexit.register(time.sleep, 0.1)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
