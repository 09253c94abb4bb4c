"""What a user writes, and both checkers accept. Checked, not run."""

from dataclasses import dataclass

from temporalio import activity
from temporalio.client import Client

from ringback import (
    Callback,
    RingbackPlugin,
    Verb,
    open_callback,
    open_callback_sync,
    wait_for_callback,
    wait_for_callback_sync,
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
