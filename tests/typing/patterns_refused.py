"""What a user must not write around a completion client: each line is an expected error.

An expectation that is not met is itself an error, so this file fails when wrong use is accepted.
"""

from ringback import ActivityRef, AsyncCompletionClient, Batcher, Processing

REF = ActivityRef("1", "order-42", "a-run")


async def charge(amount: int) -> str:
    """Work on one payload."""
    return f"receipt for {amount}"


def charge_in_a_thread(amount: int) -> str:
    """No coroutine."""
    return f"receipt for {amount}"


async def keeps_alive(client: AsyncCompletionClient) -> None:
    """Says how often in a number, or not at all, and what to do in words that do not exist."""
    client.keeping_alive(REF)  # type: ignore[call-arg]  # - refused  # pyright: ignore[reportCallIssue]
    client.keeping_alive(REF, every=10)  # type: ignore[arg-type]  # - refused  # pyright: ignore[reportArgumentType]


async def returns_another_type(client: AsyncCompletionClient) -> int:
    """Typed to return what the work does not."""

    async def charged(_work: Processing) -> str:
        return "receipt"

    return await client.process(REF, charged)  # type: ignore[arg-type]  # - refused  # pyright: ignore[reportReturnType]


async def forgets_the_result(client: AsyncCompletionClient) -> None:
    """Hands over targets without results."""
    await client.complete_many([REF])  # type: ignore[list-item]  # - refused  # pyright: ignore[reportArgumentType]


async def puts_what_the_work_does_not_take(client: AsyncCompletionClient) -> None:
    """Puts another type of payload in, and a function that is not a coroutine."""
    async with Batcher(client, charge) as batcher:
        await batcher.put(REF, "five")  # type: ignore[arg-type]  # - refused  # pyright: ignore[reportArgumentType]
    Batcher(client, charge_in_a_thread)  # type: ignore[arg-type]  # - refused  # pyright: ignore[reportArgumentType]
