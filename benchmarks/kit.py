"""What a test with the kit costs: `python -m benchmarks.kit`, without any server.

The baseline is the SDK's own `ActivityEnvironment` with an activity that returns at once.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

from temporalio import activity
from temporalio.testing import ActivityEnvironment

from ringback import Callback, wait_for_callback
from ringback.testing import activity_environment

TESTS = 100


@activity.defn
async def charge(cents: int) -> str:
    """Wait for a receipt."""

    async def submit(_: Callback) -> None:
        """Submit nothing."""

    receipt = await wait_for_callback(submit, str)
    return f"{receipt} of {cents}"


@activity.defn
async def charge_at_once(cents: int) -> str:
    """Return a receipt at once."""
    return f"r-{cents}"


async def with_the_kit() -> None:
    """Do what a test does: a new environment, and one answer."""
    async with activity_environment() as env:
        assert await env.run(charge, 81, answer="r-81") == "r-81"


async def with_the_sdk() -> None:
    """Do what a test of an activity that waits for nobody does."""
    assert await ActivityEnvironment().run(charge_at_once, 81) == "r-81"


async def measure(test: Callable[[], Awaitable[None]]) -> tuple[float, float, float]:
    """Return the milliseconds of the first test, of the median and of the slowest after it."""
    taken = []
    for _ in range(TESTS):
        began = time.perf_counter()
        await test()
        taken.append(1000 * (time.perf_counter() - began))
    return taken[0], statistics.median(taken[1:]), max(taken[1:])


async def main() -> None:
    """Measure both."""
    for name, test in (
        ("ActivityEnvironment", with_the_sdk),
        ("activity_environment", with_the_kit),
    ):
        first, median, slowest = await measure(test)
        sys.stdout.write(
            f"{name:22} first {first:7.1f} ms, median {median:6.2f} ms, slowest {slowest:6.1f} ms\n"
        )


if __name__ == "__main__":
    asyncio.run(main())
