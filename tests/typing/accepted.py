"""What a user writes, and both checkers accept. Checked, not run."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity
from temporalio.client import Client

from ringback import (
    Callback,
    Decision,
    Escalation,
    RingbackPlugin,
    Subject,
    Verb,
    open_callback,
    open_callback_sync,
    wait_for_callback,
    wait_for_callback_sync,
    wait_for_decision,
    wait_for_decision_sync,
)


@dataclass
class Receipt:
    """A result."""

    amount: int


async def ask(callback: Callback) -> None:
    """A submit."""
    print(callback.id, callback.url, callback.url_for(Verb.HEARTBEAT, Verb.VIEW))


def ask_in_a_thread(callback: Callback) -> None:
    """A submit in a thread."""
    print(callback.url)


@activity.defn
async def waits() -> Receipt:
    """Returns what it is typed to return."""
    return await wait_for_callback(ask, Receipt)


@activity.defn
def waits_in_a_thread() -> Receipt:
    """Returns what it is typed to return."""
    return wait_for_callback_sync(ask_in_a_thread, Receipt)


@activity.defn
async def opens() -> Receipt:
    """Ends with the call that never returns, for the checker."""
    async with open_callback() as callback:
        await ask(callback)
    activity.raise_complete_async()


@activity.defn
async def opens_and_returns_nothing() -> None:
    """Needs no last line."""
    async with open_callback() as callback:
        await ask(callback)


@activity.defn
def opens_in_a_thread() -> Receipt:
    """Ends with the call that never returns, for the checker."""
    with open_callback_sync() as callback:
        ask_in_a_thread(callback)
    activity.raise_complete_async()


async def wires() -> Client:
    """Wires Ringback in."""
    return await Client.connect("127.0.0.1:7233", plugins=[RingbackPlugin()])


@dataclass
class Budget:
    """What people fill in."""

    euros: int


@activity.defn
async def decides() -> Decision:
    """Asks people, without a submit."""
    return await wait_for_decision(
        Subject("Order 17", details={"euros": 250}),
        form=Budget,
        assignees=["user:ada@example.org", "group:finance"],
        approvals=2,
        escalate=[Escalation(timedelta(hours=1), ("group:board",))],
        on_deadline=Decision(approved=False, reason="no decision in time"),
    )


@activity.defn
def decides_in_a_thread() -> Decision:
    """Asks people from a thread."""
    return wait_for_decision_sync(Subject("Order 17"), ask_in_a_thread, approvals="majority")


def reads(decision: Decision) -> int:
    """Reads the form as its type."""
    return decision.form_as(Budget).euros


@activity.defn
async def asks_people_by_schema() -> dict[str, int]:
    """Gives a JSON Schema instead of a type."""
    return await wait_for_callback(
        ask, dict[str, int], assignees=["group:finance"], result_schema={"type": "object"}
    )


async def ask_with_details(callback: Callback) -> None:
    """A submit that adds details."""
    await callback.add_details({"risk": "low"})
