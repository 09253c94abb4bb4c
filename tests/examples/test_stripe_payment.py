"""Signed events of a payment provider end the activity that created the payment."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests.acceptance.command_line import Command
from tests.acceptance.programs import LIMIT_SECONDS, Program
from tests.acceptance.site import Site
from tests.examples.conftest import EXAMPLES, RunExample

pytestmark = [pytest.mark.server, pytest.mark.processes]

EXAMPLE = "stripe_payment.py"
SECRET = "whsec_try"  # noqa: S105 - a test's
DECLINED = ("--decline", "insufficient_funds")


@pytest.fixture(scope="module", autouse=True)
async def gateway(site: Site) -> AsyncIterator[Program]:
    sources = str(EXAMPLES / "stripe_payment.toml")
    async with site.gateway(RINGBACK_SOURCES_FILE=sources, STRIPE_WEBHOOK_SECRET=SECRET) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
async def worker(
    run_example: RunExample,
    gateway: Program,  # noqa: ARG001 - a worker opens its callbacks there
) -> AsyncIterator[Program]:
    async with run_example(EXAMPLE, "worker") as running:
        await running.line("Worker is running")
        yield running


@pytest.fixture
def order() -> str:
    return str(uuid4())


async def send(run_example: RunExample, order: str, *words: str, secret: str = SECRET) -> str:
    """Send an event of the order's payment, and return the reply."""
    command = ("send", f"pi_{order}", "4200", *words)
    async with run_example(EXAMPLE, *command, STRIPE_WEBHOOK_SECRET=secret) as sending:
        assert await sending.end() == 0, sending.output
    return sending.output


async def wait_until_matched(site: Site, order: str) -> None:
    """Return once the list of events has exactly one of the order, and says that it answered."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            listed = await Command(site)("events", "--alias", f"stripe:pi_{order}", "--json")
            if [event["state"] for event in listed.json["events"]] == ["matched"]:
                return


async def test_event_before_the_activity_waits_is_its_result(
    run_example: RunExample, order: str
) -> None:
    first, again = [await send(run_example, order) for _ in "12"]
    async with run_example(EXAMPLE, "charge", order, "4200") as charging:
        code = await charging.end()

    assert (first, again) == ('200 {"duplicate":false}', '200 {"duplicate":true}')
    assert (code, charging.lines) == (0, [f"paid 4200 cents with pi_{order}"])


async def test_decline_code_is_the_type_of_a_failure_that_is_not_retried(
    site: Site, run_example: RunExample, worker: Program, order: str
) -> None:
    async with run_example(EXAMPLE, "charge", order, "4200") as charging:
        await worker.line(f"order {order}: PaymentIntent")
        forged = await send(run_example, order, secret="whsec_other")  # noqa: S106 - a test's
        await send(run_example, order, *DECLINED)
        code = await charging.end()
    await wait_until_matched(site, order)

    assert forged.startswith("401 ")
    assert (code, charging.lines) == (1, ["not paid: Your card was declined. (insufficient_funds)"])
    assert worker.output.count(f"order {order}: PaymentIntent") == 1
