"""A person decides on an order, on a page or from a terminal; the workflow waits for up to a day.

    ringback serve                                          the gateway, which delivers decisions
    python examples/human_approval.py worker                runs the workflow and its activities
    python examples/human_approval.py order 17 250          places order 17, over 250 euros

The worker's terminal shows the link of the page, and the id for those who prefer a terminal:

    ringback approve cb_… --reason "in the budget"
    ringback reject cb_… --reason "too expensive"

It needs a Temporal server at TEMPORAL_ADDRESS, or at localhost:7233.
"""

import argparse
import asyncio
import atexit
import contextlib
import sys
import time
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from ringback import Callback, Decision, RingbackPlugin, Subject, wait_for_decision

TASK_QUEUE = "human-approval"


@dataclass
class Order:
    """What a person wants to buy, and how long a person may think about it."""

    id: str
    euros: int
    seconds_to_decide: float = timedelta(hours=24).total_seconds()


@activity.defn
async def approve_order(order: Order) -> Decision:
    """Ask a person. The request is stored as the callback: `ringback list --tag approval`."""

    async def submit(callback: Callback) -> None:
        notify_reviewer(order, callback)

    return await wait_for_decision(
        Subject(
            f"Order {order.id} over {order.euros} euros",
            details={"order": order.id, "euros": order.euros},
        ),
        submit,
        require_reason="rejection",
        deadline=timedelta(seconds=order.seconds_to_decide),
        on_deadline=Decision(approved=False, reason="no decision in time"),
        tags=["approval"],
    )


def notify_reviewer(order: Order, callback: Callback) -> None:
    """Tell the reviewer, here on the worker's terminal; a real one gets a mail or a message.

    The id is not secret. The link is: anyone who has it can decide.
    """
    print(f"Order {order.id} over {order.euros} euros waits for you: {callback.id}", flush=True)
    print(f"Decide here: {callback.url}", flush=True)


@activity.defn
async def fulfill_order(order: Order, decision: Decision) -> str:
    """Send the goods."""
    return f"order {order.id} is on its way, approved by {decision.by}"


@workflow.defn
class OrderWorkflow:
    """Waits for the decision. A yes fulfills the order; a no fails with `OrderRejected`."""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Return how the order ended.

        Raises:
            ApplicationError: It was rejected; the failure has the decision.
        """
        decision = await workflow.execute_activity(
            approve_order,
            order,
            # The deadline comes first, and ends the activity with a no.
            start_to_close_timeout=timedelta(seconds=order.seconds_to_decide, minutes=10),
        )
        if not decision.approved:
            message = f"rejected: {decision.reason}"
            raise ApplicationError(message, decision, type="OrderRejected", non_retryable=True)
        return await workflow.execute_activity(
            fulfill_order, args=[order, decision], start_to_close_timeout=timedelta(minutes=1)
        )


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
    match failure.cause:
        case ApplicationError(type="OrderRejected") as rejected:
            by = rejected.details[0]["by"]
            name = "somebody with the link" if by == "link" else by
            return rejected.message + (f" (by {name})" if by else "")
        case cause:
            return f"the order failed: {cause}"


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
