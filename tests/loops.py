"""Lets an event loop run without letting time pass."""

import asyncio


async def idle() -> None:
    """Let everything run that can run now."""
    loop = asyncio.get_running_loop()
    for _ in range(100):
        turn = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn
