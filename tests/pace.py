"""Measure durations relative to the current speed of this machine."""

import time
from collections.abc import Awaitable, Callable

ROUNDS = 5


async def units_of(run: Callable[[], Awaitable[object]]) -> float:
    """Return the duration of `run` in units of a fixed piece of work; the minimum of five runs.

    The work takes about 1 ms on an idle machine. A busy machine slows down both, so a limit in
    units means the same on every machine.
    """
    least = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        sum(range(60_000))
        worked = time.perf_counter()
        await run()
        least = min(least, (time.perf_counter() - worked) / (worked - began))
    return least
