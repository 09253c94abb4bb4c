"""A person decides on an order, from a terminal; the workflow waits for up to a day.

    ringback serve                                          the gateway, which delivers decisions
    python examples/human_approval.py worker                runs the workflow and its activities
    python examples/human_approval.py order 17 250          places order 17, over 250 euros
    ringback approve cb_… --reason "in the budget"          the worker's terminal shows the id
    ringback reject cb_… --reason "too expensive"           or no, for good

It needs a Temporal server at TEMPORAL_ADDRESS, or at localhost:7233.
"""

import argparse
import asyncio
import atexit
import contextlib
import sys
import time
from dataclasses import asdict, dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker

from ringback import Callback, RingbackPlugin, wait_for_callback

TASK_QUEUE = "human-approval"


@dataclass
class Order:
    """What a person wants to buy, and how long a person may think about it."""

    id: str
    euros: int
    seconds_to_decide: float = timedelta(hours=24).total_seconds()


@dataclass
class Approval:
    """What the reviewer answers; another shape is rejected before it is stored.

    `ringback approve` sends `approved: true`. The holder of the link may also send `false`.
    """

    approved: bool
    by: str | None = None
    reason: str | None = None


@activity.defn
async def approve_order(order: Order) -> Approval:
    """Ask a person. The request is stored as the callback: `ringback list --tag approval`."""

    async def submit(callback: Callback) -> None:
        notify_reviewer(order, callback)

    return await wait_for_callback(
        submit,
        Approval,
        title=f"Order {order.id} over {order.euros} euros",
        tags=["approval"],
        metadata={"order": order.id, "euros": order.euros},
    )


def notify_reviewer(order: Order, callback: Callback) -> None:
    """Tell the reviewer, here on the worker's terminal; a real one gets a mail or a message.

    The id is not secret. `callback.url` is: anyone who has it can decide.
    """
    print(f"Order {order.id} over {order.euros} euros waits for you: {callback.id}", flush=True)


@activity.defn
async def fulfill_order(order: Order, approval: Approval) -> str:
    """Send the goods."""
    return f"order {order.id} is on its way, approved by {approval.by}"


@workflow.defn
class OrderWorkflow:
    """Waits for the decision. A yes fulfills the order; a no fails with `ApprovalDenied`."""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Return how the order ended."""
        patience = timedelta(seconds=order.seconds_to_decide)
        approval = await workflow.execute_activity(
            approve_order,
            order,
            start_to_close_timeout=patience,
            # Without it, Temporal would begin another attempt, and wait for as long again.
            schedule_to_close_timeout=patience,
        )
        if not approval.approved:
            denial = denied(approval)
            raise denial
        return await workflow.execute_activity(
            fulfill_order, args=[order, approval], start_to_close_timeout=timedelta(minutes=1)
        )


def denied(approval: Approval) -> ApplicationError:
    """Return the failure that `ringback reject` gives, for a no that came as a result."""
    message = "approval denied" + (f": {approval.reason}" if approval.reason else "")
    return ApplicationError(message, asdict(approval), type="ApprovalDenied", non_retryable=True)


async def work(client: Client) -> None:
    """Run the worker until Ctrl+C."""
    worker = Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[OrderWorkflow],
        activities=[approve_order, fulfill_order],
    )
    print("Worker is running. Ctrl+C stops it.", flush=True)
    await worker.run()


async def place(client: Client, order: Order) -> None:
    """Start the workflow, wait for its end, and print it."""
    handle = await client.start_workflow(
        OrderWorkflow.run, order, id=f"order-{order.id}", task_queue=TASK_QUEUE
    )
    print(f"Placed {handle.id}.", flush=True)
    try:
        print(await handle.result())
    except WorkflowFailureError as failure:
        sys.exit(explain(failure))


def explain(failure: WorkflowFailureError) -> str:
    """Return in a line why the order was not fulfilled."""
    cause = failure.cause.cause if isinstance(failure.cause, ActivityError) else failure.cause
    match cause:
        case ApplicationError(type="ApprovalDenied"):
            who = cause.details[0].get("by") if cause.details else None
            return f"{cause.message} (by {who})"
        case _:
            return f"no decision: {cause}"


async def main() -> None:
    """Connect, and do what the command line says."""
    parser = argparse.ArgumentParser(description="A person decides on an order.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("worker")
    order = commands.add_parser("order")
    order.add_argument("id")
    order.add_argument("euros", type=int)
    order.add_argument("--seconds-to-decide", type=float, default=Order.seconds_to_decide)
    arguments = parser.parse_args()

    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    client = await Client.connect(**config, plugins=[RingbackPlugin()])
    if arguments.command == "worker":
        await work(client)
    else:
        await place(client, Order(arguments.id, arguments.euros, arguments.seconds_to_decide))


if __name__ == "__main__":
    # The SDK's threads end a moment after the last call. A program that is gone before them may
    # crash or hang while it ends, see https://github.com/temporalio/sdk-python/issues/300.
    atexit.register(time.sleep, 0.1)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
