"""Event loops for which no time passes."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

T = TypeVar("T")


async def idle() -> None:
    """Run all callbacks and tasks that are ready."""
    loop = asyncio.get_running_loop()
    for _ in range(100):
        turn = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn


class ManualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers become due only when a test advances its time."""

    def __init__(self) -> None:
        self._passed = timedelta(0)
        super().__init__()

    def time(self) -> float:
        return self._passed.total_seconds()

    def advance(self, by: timedelta) -> None:
        """Let time pass: timers that become due run when the test waits next."""
        self._passed += by


def run_in_manual_time(work: Callable[[ManualTimeLoop], Coroutine[Any, Any, T]]) -> T:
    """Run `work` on a loop of its own, on which no timeout ends unless `work` lets time pass."""
    loop = ManualTimeLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(work(loop))
