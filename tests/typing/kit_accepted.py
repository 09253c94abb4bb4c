"""What a test of a user may write with the kit, and both checkers accept. Checked, not run."""

from dataclasses import dataclass
from datetime import timedelta
from typing import assert_type

from temporalio import activity
from temporalio.client import Client
from temporalio.common import RetryPolicy

from ringback import (
    Callback,
    Decision,
    Subject,
    wait_for_callback,
    wait_for_callback_sync,
    wait_for_decision,
)
from ringback.testing import (
    ActivityRun,
    ActivityTestEnvironment,
    OpenCallback,
    activity_environment,
    gateway_environment,
)


@dataclass
class Receipt:
    """A result."""

    amount: int


async def ask(callback: Callback) -> None:
    """A submit."""
    print(callback.url)


def ask_in_a_thread(callback: Callback) -> None:
    """A submit in a thread."""
    print(callback.url)


@activity.defn
async def charge(amount: int, currency: str) -> Receipt:
    """An activity with two inputs."""
    print(amount, currency)
    return await wait_for_callback(ask, Receipt)


@activity.defn
def charge_in_a_thread(amount: int) -> Receipt:
    """An activity in a thread."""
    print(amount)
    return wait_for_callback_sync(ask_in_a_thread, Receipt)


@activity.defn
async def approve() -> Decision:
    """An activity without an input."""
    return await wait_for_decision(Subject("An order"))


class Bank:
    """Activities as methods."""

    @activity.defn
    async def pay(self, amount: int) -> Receipt:
        """An activity that is a method."""
        print(amount)
        return await wait_for_callback(ask, Receipt)


async def runs_activities(env: ActivityTestEnvironment) -> None:
    """The result has the type that the activity returns."""
    assert_type(await env.run(charge, 81, "EUR", answer=Receipt(81)), Receipt)
    assert_type(await env.run(charge_in_a_thread, 81, answer={"amount": 81}), Receipt)
    assert_type(await env.run(approve, answer=Decision(approved=True)), Decision)
    assert_type(await env.run(Bank().pay, 81, answer=Receipt(81), when="before submit"), Receipt)


async def starts_activities(env: ActivityTestEnvironment) -> None:
    """A run knows the type of its result."""
    run = env.start(charge, 81, "EUR", retry_policy=RetryPolicy(maximum_attempts=2))
    assert_type(run, ActivityRun[Receipt])
    callback = await env.callback(title="Charge", within=timedelta(seconds=1))
    assert_type(callback, OpenCallback)
    print((await callback.answer(Receipt(81), when="between attempts")).duplicate)
    assert_type(await run.result(), Receipt)


async def needs_no_pytest(client: Client) -> None:
    """Both environments are context managers."""
    async with activity_environment() as env:
        await env.advance(timedelta(days=1))
    async with (
        gateway_environment(client, sources="ringback.toml") as kit,
        kit.worker(activities=[charge]),
    ):
        await kit.decide(approved=False, by="ann", reason="too much", workflow_id="order-1")
        await kit.send_event("github", {"id": 1}, headers={"X-GitHub-Event": "ping"})
