"""An activity publishes a message, and the consumer publishes the answer, which Ringback reads.

    export RABBITMQ_URL=amqp://guest:guest@127.0.0.1:5672/
    RINGBACK_SOURCES_FILE=examples/message_queue.toml ringback serve      the gateway
    python examples/message_queue.py worker            runs the workflow and its activity
    python examples/message_queue.py consumer          takes messages and does the work
    python examples/message_queue.py shrink cat.jpg    has a picture shrunk

It needs a Temporal server at TEMPORAL_ADDRESS, or at localhost:7233, and RabbitMQ. Gateway, worker
and consumer need `pip install 'ringback[queues]'`.
The consumer needs neither Temporal nor Ringback, and no way to the gateway: it sends back a header.
"""

import argparse
import asyncio
import atexit
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import ActivityError
from temporalio.worker import Worker

from ringback import Callback, RingbackPlugin, wait_for_callback

with workflow.unsafe.imports_passed_through():
    import aio_pika
    from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

TASK_QUEUE = "message-queue"
RABBITMQ = os.environ.get("RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672/")
WORK = os.environ.get("PICTURES_QUEUE", "pictures")
ANSWERS = f"{WORK}-answers"


class Pictures:
    """The activity, and the channel on which it publishes."""

    def __init__(self, channel: AbstractChannel) -> None:
        self.channel = channel

    @activity.defn
    async def shrink(self, picture: str) -> str:
        """Publish the work with a link in its header, and end with the answer of the consumer."""

        async def submit(callback: Callback) -> None:
            message = aio_pika.Message(
                json.dumps({"picture": picture}).encode(),
                # The link is a credential: only consumers may read this queue.
                headers={"ringback-link": callback.url},
                # If this attempt dies now, the next one publishes again, with the same id.
                message_id=callback.id,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            await self.channel.default_exchange.publish(message, WORK)

        return await wait_for_callback(submit, str, title=f"Shrink {picture}")


@workflow.defn
class ShrinkWorkflow:
    """Has one picture shrunk, however long the queue is, up to an hour."""

    @workflow.run
    async def run(self, picture: str) -> str:
        """Return the thumbnail."""
        return await workflow.execute_activity_method(
            Pictures.shrink, picture, schedule_to_close_timeout=timedelta(hours=1)
        )


async def shrink(picture: str) -> tuple[str, object]:
    """Shrink one picture, so to speak. Return the action for Ringback, and its body."""
    await asyncio.sleep(0.1)
    if not picture.endswith(".jpg"):
        message = f"{picture} is not a picture"
        return "fail", {"message": message, "type": "NotAPicture", "non_retryable": True}
    return "complete", f"thumbnail of {picture}"


async def consume(channel: AbstractChannel, message: AbstractIncomingMessage) -> None:
    """Do the work of one message, publish the answer, and only then acknowledge the message.

    If this program dies before the last line, RabbitMQ delivers the message again, and the same
    answer is published twice. Ringback takes it once.
    """
    picture = json.loads(message.body)["picture"]
    action, body = await shrink(picture)
    answer = aio_pika.Message(
        json.dumps(body).encode(),
        headers={"ringback-link": message.headers["ringback-link"], "ringback-action": action},
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
    # This returns once RabbitMQ has stored the answer.
    await channel.default_exchange.publish(answer, ANSWERS)
    await message.ack()
    print(f"{picture}: {action}", flush=True)


@asynccontextmanager
async def connected() -> AsyncIterator[AbstractChannel]:
    """Connect to RabbitMQ for the block, and declare both queues."""
    async with await aio_pika.connect_robust(RABBITMQ) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=10)
        for name in (WORK, ANSWERS):
            await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
        yield channel


async def run_consumer() -> None:
    """Consume messages until Ctrl+C."""
    async with connected() as channel:
        queue = await channel.get_queue(WORK)
        print("Consumer is running. Ctrl+C stops it.", flush=True)
        async with queue.iterator() as messages:
            async for message in messages:
                await consume(channel, message)


async def run_worker(client: Client) -> None:
    """Run the worker until Ctrl+C."""
    async with connected() as channel:
        worker = Worker(
            client,
            task_queue=TASK_QUEUE,
            workflows=[ShrinkWorkflow],
            activities=[Pictures(channel).shrink],
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


async def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description="A consumer of a queue answers by a queue.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("worker")
    commands.add_parser("consumer")
    commands.add_parser("shrink").add_argument("picture")
    arguments = parser.parse_args()

    if arguments.command == "consumer":
        await run_consumer()
        return
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    client = await Client.connect(**config, plugins=[RingbackPlugin()])
    if arguments.command == "worker":
        await run_worker(client)
    else:
        await order(client, arguments.picture)


if __name__ == "__main__":
    # The SDK's threads end a moment after the last call. A program that is gone before them may
    # crash or hang while it ends, see https://github.com/temporalio/sdk-python/issues/300.
    atexit.register(time.sleep, 0.1)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
