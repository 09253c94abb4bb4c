"""A workflow asks a service over HTTP, and the service calls back when it is done.

    ringback serve                                   the gateway, which the service calls back
    python examples/external_callback.py service     a payment service, somebody else's program
    python examples/external_callback.py worker      runs the workflow and its activity
    python examples/external_callback.py pay 17 250  pays for order 17; over 1000 is declined

It needs a Temporal server at TEMPORAL_ADDRESS, or at localhost:7233. The service needs neither
Temporal nor Ringback: it is given a URL, and posts JSON to it.
"""

import argparse
import asyncio
import atexit
import contextlib
import os
import sys
import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker

from ringback import Callback, RingbackPlugin, wait_for_callback

with workflow.unsafe.imports_passed_through():
    import httpx2
    import uvicorn
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

TASK_QUEUE = "external-callback"
SERVICE = os.environ.get("PAYMENT_SERVICE", "http://127.0.0.1:8002")
MOST_EUROS = 1000


@dataclass
class Payment:
    """What to pay."""

    order: str
    euros: int


@dataclass
class Receipt:
    """What the service answers with; anything else is refused at the gateway."""

    number: str
    euros: int


@activity.defn
async def charge(payment: Payment) -> Receipt:
    """Ask the service, and end with what it calls back with."""

    async def submit(callback: Callback) -> None:
        async with httpx2.AsyncClient() as http:
            reply = await http.post(
                f"{SERVICE}/payments",
                json={**asdict(payment), "notify": callback.url},
                # Should this attempt die now, the next one asks again: the same key, one payment.
                headers={"Idempotency-Key": callback.id},
            )
        reply.raise_for_status()

    return await wait_for_callback(submit, Receipt, title=f"Payment for order {payment.order}")


@workflow.defn
class PayWorkflow:
    """Pays, however long the service takes, up to an hour."""

    @workflow.run
    async def run(self, payment: Payment) -> Receipt:
        """Return the receipt."""
        return await workflow.execute_activity(
            charge, payment, schedule_to_close_timeout=timedelta(hours=1)
        )


KNOWN: set[str] = set()
"""The payments that the service has taken, by their keys."""


async def take(request: Request) -> Response:
    """Take a payment, as the service; each key once."""
    key = request.headers["Idempotency-Key"]
    is_new = key not in KNOWN
    KNOWN.add(key)
    then = BackgroundTask(call_back, await request.json()) if is_new else None
    return Response(status_code=202, background=then)


async def call_back(payment: dict[str, Any]) -> None:
    """Post how the payment ended to the link. The same again is safe: until it is taken."""
    await asyncio.sleep(0.5)
    if payment["euros"] > MOST_EUROS:
        verb, answer = "fail", {"message": "declined", "type": "Declined", "non_retryable": True}
    else:
        verb, answer = "complete", {"number": f"r-{payment['order']}", "euros": payment["euros"]}
    link = urlsplit(payment["notify"])
    # The verb belongs to the path; the link keeps its query, if it has one.
    url = link._replace(path=f"{link.path}/{verb}").geturl()
    async with httpx2.AsyncClient() as http:
        while True:
            try:
                reply = await http.post(url, json=answer)
            except httpx2.TransportError:
                print(f"order {payment['order']}: no reply yet, trying again", flush=True)
            else:
                if not reply.is_server_error:
                    print(f"order {payment['order']}: called back, {reply.status_code}", flush=True)
                    return
            await asyncio.sleep(1)


def serve() -> None:
    """Run the service until Ctrl+C. It logs no requests: a link has no place in a log."""
    app = Starlette(routes=[Route("/payments", take, methods=["POST"])])
    print("Service is running. Ctrl+C stops it.", flush=True)
    uvicorn.run(app, port=int(SERVICE.rpartition(":")[2]), log_level="error")


async def work(client: Client) -> None:
    """Run the worker until Ctrl+C."""
    worker = Worker(client, task_queue=TASK_QUEUE, workflows=[PayWorkflow], activities=[charge])
    print("Worker is running. Ctrl+C stops it.", flush=True)
    await worker.run()


async def pay(client: Client, payment: Payment) -> None:
    """Start the workflow, wait for its end, and print it."""
    handle = await client.start_workflow(
        PayWorkflow.run, payment, id=f"payment-{payment.order}", task_queue=TASK_QUEUE
    )
    try:
        receipt = await handle.result()
    except WorkflowFailureError as failure:
        cause = failure.cause.cause if isinstance(failure.cause, ActivityError) else failure.cause
        why = f"{cause.message} ({cause.type})" if isinstance(cause, ApplicationError) else cause
        sys.exit(f"not paid: {why}")
    print(f"paid {receipt.euros} euros, receipt {receipt.number}")


async def main(arguments: argparse.Namespace) -> None:
    """Connect, and do what the command line says."""
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    client = await Client.connect(**config, plugins=[RingbackPlugin()])
    if arguments.command == "worker":
        await work(client)
    else:
        await pay(client, Payment(arguments.order, arguments.euros))


def read_arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description="A service calls back.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("service")
    commands.add_parser("worker")
    payment = commands.add_parser("pay")
    payment.add_argument("order")
    payment.add_argument("euros", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    # The SDK's threads end a moment after the last call. A program that is gone before them may
    # crash or hang while it ends, see https://github.com/temporalio/sdk-python/issues/300.
    atexit.register(time.sleep, 0.1)
    given = read_arguments()
    with contextlib.suppress(KeyboardInterrupt):
        if given.command == "service":
            serve()
        else:
            asyncio.run(main(given))
