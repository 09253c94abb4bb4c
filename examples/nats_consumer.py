"""An activity publishes a message, and its consumer completes it by ids, without a gateway.

    nats-server -js                                    a message queue with storage
    python examples/nats_consumer.py worker            runs the workflow and its activity
    python examples/nats_consumer.py consumer          takes messages and does the work
    python examples/nats_consumer.py shrink cat.jpg    has a picture shrunk

It needs a Temporal server at TEMPORAL_ADDRESS, or at localhost:7233, NATS at NATS_URL, or at
localhost:4222, the package `nats-py`, and no gateway.
"""

import argparse
import asyncio
import atexit
import contextlib
import json
import os
import sys
import time
from dataclasses import asdict
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker

from ringback import ActivityRef, AsyncCompletionClient, Processing, RetryableError, RingbackError

with workflow.unsafe.imports_passed_through():
    import nats
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext

TASK_QUEUE = "nats-consumer"
SUBJECT = "pictures"
GROUP = "shrinkers"
NATS = os.environ.get("NATS_URL", "nats://localhost:4222")


class Pictures:
    """The activity, and the queue that it publishes to."""

    def __init__(self, queue: JetStreamContext) -> None:
        self.queue = queue

    @activity.defn
    async def shrink(self, picture: str) -> str:
        """Publish the work with the ids of this activity, and leave the result to the consumer."""
        info = activity.info()
        ref = ActivityRef(info.activity_id, info.workflow_id, info.workflow_run_id)
        message = {"picture": picture, "activity": asdict(ref)}
        await self.queue.publish(
            SUBJECT,
            json.dumps(message).encode(),
            # If the reply is lost, the next attempt publishes again: the queue drops the copy.
            headers={"Nats-Msg-Id": f"{info.workflow_run_id}/{info.activity_id}"},
        )
        activity.raise_complete_async()


@workflow.defn
class ShrinkWorkflow:
    """Has one picture shrunk, however long the queue is, up to an hour."""

    @workflow.run
    async def run(self, picture: str) -> str:
        """Return the thumbnail."""
        return await workflow.execute_activity_method(
            Pictures.shrink, picture, schedule_to_close_timeout=timedelta(hours=1)
        )


async def shrink(picture: str) -> str:
    """Shrink one picture, so to speak."""
    await asyncio.sleep(0.1)
    if not picture.endswith(".jpg"):
        not_a_picture = ApplicationError(
            f"{picture} is not a picture", type="NotAPicture", non_retryable=True
        )
        raise not_a_picture
    return f"thumbnail of {picture}"


async def consume(completion: AsyncCompletionClient, message: Msg) -> None:
    """Do the work of one message, end its activity, and only then acknowledge the message."""
    body = json.loads(message.data)
    picture = body["picture"]

    async def work(_: Processing) -> str:
        return await shrink(picture)

    try:
        await completion.process(ActivityRef(**body["activity"]), work)
    except RetryableError as error:
        print(f"{picture}: {error}; the queue delivers it again", flush=True)
        await message.nak(delay=1)
        return
    except (ApplicationError, RingbackError) as error:
        # The activity has failed with it, or no longer waits.
        print(f"{picture}: {error}", flush=True)
    else:
        print(f"{picture}: done", flush=True)
    await message.ack()


async def run_consumer(queue: JetStreamContext) -> None:
    """Consume messages until Ctrl+C."""
    completion = await AsyncCompletionClient.connect()
    messages = await queue.subscribe(SUBJECT, queue=GROUP, manual_ack=True)
    print("Consumer is running. Ctrl+C stops it.", flush=True)
    async for message in messages.messages:
        await consume(completion, message)


async def run_worker(client: Client, queue: JetStreamContext) -> None:
    """Run the worker until Ctrl+C."""
    worker = Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[ShrinkWorkflow],
        activities=[Pictures(queue).shrink],
    )
    print("Worker is running. Ctrl+C stops it.", flush=True)
    await worker.run()


async def order(client: Client, picture: str) -> None:
    """Start the workflow, wait for its end, and print it."""
    handle = await client.start_workflow(
        ShrinkWorkflow.run, picture, id=f"shrink-{picture}", task_queue=TASK_QUEUE
    )
    try:
        print(await handle.result())
    except WorkflowFailureError as failure:
        cause = failure.cause.cause if isinstance(failure.cause, ActivityError) else failure.cause
        sys.exit(f"not shrunk: {cause}")


async def connect() -> Client:
    """Connect to Temporal."""
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    return await Client.connect(**config)


async def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description="A consumer of a queue completes activities.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("worker")
    commands.add_parser("consumer")
    commands.add_parser("shrink").add_argument("picture")
    arguments = parser.parse_args()

    if arguments.command == "shrink":
        await order(await connect(), arguments.picture)
        return
    connection = await nats.connect(NATS)
    try:
        queue = connection.jetstream()
        await queue.add_stream(name=SUBJECT, subjects=[SUBJECT])
        if arguments.command == "worker":
            await run_worker(await connect(), queue)
        else:
            await run_consumer(queue)
    finally:
        await connection.close()


if __name__ == "__main__":
    # The SDK's threads end a moment after the last call. A program that is gone before them may
    # crash or hang while it ends, see https://github.com/temporalio/sdk-python/issues/300.
    atexit.register(time.sleep, 0.1)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
