"""A workflow charges a customer at Stripe, and Stripe's webhook ends the activity.

    export STRIPE_WEBHOOK_SECRET=whsec_try
    RINGBACK_SOURCES_FILE=examples/stripe_payment.toml ringback serve      the gateway
    python examples/stripe_payment.py worker              runs the workflow and its activity
    python examples/stripe_payment.py charge 17 4200      charges 42 euros for order 17

Without an account at Stripe, send what Stripe would send. The secret must be that of the gateway:

    python examples/stripe_payment.py send pi_17 4200
    python examples/stripe_payment.py send pi_17 4200 --decline insufficient_funds

It needs a Temporal server at TEMPORAL_ADDRESS, or at localhost:7233.
With an account, replace `create_payment_intent`, and let Stripe send its events to /in/stripe; see
docs/howto/receive-webhooks.md. The worker needs no URL of its own.
"""

import argparse
import asyncio
import atexit
import contextlib
import hmac
import json
import os
import sys
import time
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker

from ringback import Callback, RingbackPlugin, wait_for_callback

with workflow.unsafe.imports_passed_through():
    import httpx2

TASK_QUEUE = "stripe-payment"
GATEWAY = os.environ.get("RINGBACK_URL", "http://127.0.0.1:8000")


@dataclass
class Charge:
    """What to charge."""

    order: str
    cents: int


@dataclass
class Payment:
    """What the rule in stripe_payment.toml makes of Stripe's event."""

    intent: str
    cents: int


async def create_payment_intent(charge: Charge, key: str) -> str:
    """Return the id of a PaymentIntent. REPLACE THIS: it calls nobody and makes the id up.

    With Stripe's package, the body is one call. A second one with the same `key` returns the same
    PaymentIntent, so that a retried activity charges once:

        intent = await stripe.PaymentIntent.create_async(
            amount=charge.cents, currency="eur", idempotency_key=key
        )
        return intent.id
    """
    print(f"order {charge.order}: PaymentIntent with the key {key}", flush=True)
    return f"pi_{charge.order}"


@activity.defn
async def charge_customer(charge: Charge) -> Payment:
    """Create the payment, and end with what Stripe's webhook says about it."""

    async def submit(callback: Callback) -> None:
        intent = await create_payment_intent(charge, callback.id)
        # Stripe's event may come before this line. It then waits at the gateway.
        await callback.add_alias(f"stripe:{intent}")

    return await wait_for_callback(submit, Payment, title=f"Payment for order {charge.order}")


@workflow.defn
class ChargeWorkflow:
    """Charges a customer, who has a day to pay."""

    @workflow.run
    async def run(self, charge: Charge) -> Payment:
        """Return the payment. A declined card fails the activity, with the code as its type."""
        return await workflow.execute_activity(
            charge_customer, charge, schedule_to_close_timeout=timedelta(days=1)
        )


async def send(intent: str, cents: int, decline: str | None) -> None:
    """Send an event to the gateway as Stripe does, with a real signature."""
    payment: dict[str, object] = {"id": intent, "object": "payment_intent", "amount": cents}
    if decline is None:
        kind = "payment_intent.succeeded"
        payment["amount_received"] = cents
    else:
        kind = "payment_intent.payment_failed"
        payment["last_payment_error"] = {
            "code": "card_declined",
            "decline_code": decline,
            "message": "Your card was declined.",
        }
    event = {"id": f"evt_{intent}_{decline}", "type": kind, "data": {"object": payment}}
    body = json.dumps(event).encode()
    now = int(time.time())  # noqa: TID251 - the signature has the time of this machine
    secret = os.environ["STRIPE_WEBHOOK_SECRET"].encode()
    signature = hmac.new(secret, b"%d.%b" % (now, body), "sha256").hexdigest()
    headers = {"content-type": "application/json", "stripe-signature": f"t={now},v1={signature}"}
    async with httpx2.AsyncClient() as http:
        reply = await http.post(f"{GATEWAY}/in/stripe", content=body, headers=headers)
    print(f"{reply.status_code} {reply.text}")


async def work(client: Client) -> None:
    """Run the worker until Ctrl+C."""
    worker = Worker(
        client, task_queue=TASK_QUEUE, workflows=[ChargeWorkflow], activities=[charge_customer]
    )
    print("Worker is running. Ctrl+C stops it.", flush=True)
    await worker.run()


async def order(client: Client, charge: Charge) -> None:
    """Start the workflow, wait for its end, and print it."""
    handle = await client.start_workflow(
        ChargeWorkflow.run, charge, id=f"charge-{charge.order}", task_queue=TASK_QUEUE
    )
    try:
        payment = await handle.result()
    except WorkflowFailureError as failure:
        cause = failure.cause.cause if isinstance(failure.cause, ActivityError) else failure.cause
        why = f"{cause.message} ({cause.type})" if isinstance(cause, ApplicationError) else cause
        sys.exit(f"not paid: {why}")
    print(f"paid {payment.cents} cents with {payment.intent}")


async def main(arguments: argparse.Namespace) -> None:
    """Do what the command line says."""
    if arguments.command == "send":
        await send(arguments.intent, arguments.cents, arguments.decline)
        return
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    client = await Client.connect(**config, plugins=[RingbackPlugin()])
    if arguments.command == "worker":
        await work(client)
    else:
        await order(client, Charge(arguments.order, arguments.cents))


def read_arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description="Stripe's webhook ends an activity.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("worker")
    charge = commands.add_parser("charge")
    charge.add_argument("order")
    charge.add_argument("cents", type=int)
    event = commands.add_parser("send")
    event.add_argument("intent")
    event.add_argument("cents", type=int)
    event.add_argument("--decline", metavar="CODE")
    return parser.parse_args()


if __name__ == "__main__":
    # The SDK's threads end a moment after the last call. A program that is gone before them may
    # crash or hang while it ends, see https://github.com/temporalio/sdk-python/issues/300.
    atexit.register(time.sleep, 0.1)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(read_arguments()))
