"""The pause between two polls of something that sends no event."""

import asyncio

PAUSE_SECONDS = 0.01


async def pause() -> None:
    """Wait 10 ms, so that polling leaves CPU time to the polled program."""
    over = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(PAUSE_SECONDS, over.set_result, None)
    await over
