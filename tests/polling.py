"""The pause between two looks at something that sends no event."""

import asyncio

PAUSE_SECONDS = 0.01


async def pause() -> None:
    """Leave the processor to what is looked at: without a pause a look follows the other."""
    over = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(PAUSE_SECONDS, over.set_result, None)
    await over
