"""What a user writes around a completion client, and both checkers accept. Checked, not run."""

from collections.abc import AsyncIterator
from datetime import timedelta

from ringback import (
    ActivityRef,
    AsyncCompletionClient,
    Batcher,
    Ending,
    KeepAlive,
    Processing,
    Progress,
    Stopped,
    fail_with,
)
from ringback.testing import FakeCompletionClient

REF = ActivityRef("1", "order-42", "a-run")
OFTEN = timedelta(seconds=10)


async def charge(amount: int) -> str:
    """Work on one payload."""
    if amount < 0:
        declined = fail_with("Declined", "no", non_retryable=True, details=[{"amount": amount}])
        raise declined
    return "receipt"


async def keeps_alive(client: AsyncCompletionClient) -> Stopped | None:
    """Heartbeats with live details."""
    done = 0
    async with client.keeping_alive(REF, every=OFTEN, details=lambda: {"done": done}) as life:
        done += 1
        life.details = "nearly"
        same: KeepAlive = life
    return same.stopped


async def processes(client: AsyncCompletionClient, token: bytes) -> str:
    """Works in a block, and in a function that returns what it returns."""
    async with client.processing(token, every=OFTEN) as work:
        work.result = {"any": "thing"}

    async def charged(work: Processing) -> str:
        work.cancel_details = ("undone", 3)
        return await charge(5)

    return await client.process(REF, charged, every=OFTEN, on_pause="stop")


async def arriving() -> AsyncIterator[tuple[bytes, str]]:
    """Items that come one by one."""
    yield b"token", "result"


async def completes_many(client: AsyncCompletionClient) -> list[Exception | None]:
    """Takes lists and streams, of tokens and of ids."""
    await client.complete_many([(REF, 1), (REF, 2)], concurrency=3)
    async with client.completing_many(arriving(), on_progress=tell) as deliveries:
        return [one.error async for one in deliveries if one.ending is Ending.UNDELIVERED]


def tell(progress: Progress) -> None:
    """Tell how far it is."""
    print(progress.done)


async def batches(client: AsyncCompletionClient) -> Ending:
    """The payload is what the work takes."""
    async with Batcher(client, charge, size=10, every=OFTEN, on_progress=tell) as batcher:
        delivery = await batcher.put(REF, 5)
    return (await delivery).ending


async def tests_with_the_fake() -> None:
    """The fake is wherever the client is."""
    client = FakeCompletionClient()
    async with client.processing(REF) as work, Batcher(client, charge):
        work.result = None
    print(client[REF].result)
