"""How long something takes, in units of this machine as it is loaded now."""

import time
from collections.abc import Awaitable, Callable

ROUNDS = 5


async def units_of(run: Callable[[], Awaitable[object]]) -> float:
    """Return how many times as long as a fixed piece of work `run` takes: the least of five.

    The work takes about 1 ms on a machine that does nothing else. A machine that is busy is as
    slow at both, so a bound in units means the same on every machine.
    """
    least = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        sum(range(60_000))
        worked = time.perf_counter()
        await run()
        least = min(least, (time.perf_counter() - worked) / (worked - began))
    return least
