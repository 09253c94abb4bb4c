"""Run the event loop without letting time pass."""

import asyncio


async def idle() -> None:
    """Run all callbacks and tasks that are ready."""
    loop = asyncio.get_running_loop()
    for _ in range(100):
        turn = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn
