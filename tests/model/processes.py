"""Processes: gateways, workers and senders, which may be paused, killed or restarted."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final, TypeVarTuple, cast

from tests.model.gates import Call, Gate, Mode

Ts = TypeVarTuple("Ts")

_OF_A_TURN: Final = 2
"""What a turn of `idle` itself schedules: its end, and its continuation."""

_QUIET_TURNS: Final = 2

ALL_CALLS: Final = 500
"""More calls than any process makes before it is idle."""


class CountingLoop(asyncio.SelectorEventLoop):
    """An event loop that counts callbacks, to find out when nothing is left to run.

    Attributes:
        scheduled: The number of scheduled callbacks.
    """

    scheduled = 0

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Count, and schedule."""
        self.scheduled += 1
        return super().call_soon(callback, *args, context=context)


async def idle() -> None:
    """Run everything that can run now."""
    loop = cast("CountingLoop", asyncio.get_running_loop())
    quiet_turns = 0
    while quiet_turns < _QUIET_TURNS:
        before = loop.scheduled
        turn = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn
        is_quiet = loop.scheduled == before + _OF_A_TURN
        quiet_turns = quiet_turns + 1 if is_quiet else 0


@dataclass(eq=False)
class Process:
    """A task that runs on its own, call by call.

    Attributes:
        name: Its name in failing examples.
        gate: The gate of its calls.
        wake: Tells it that there may be work.
    """

    name: str
    gate: Gate
    wake: Callable[[], None] = lambda: None
    _task: "asyncio.Task[None] | None" = None

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Run the work."""
        self._task = asyncio.get_running_loop().create_task(work, name=self.name)

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or was killed."""
        return self.gate.is_dead or (self._task is not None and self._task.done())

    @property
    def waiting(self) -> list[Call]:
        """The calls that wait at the gate."""
        return self.gate.waiting

    async def step(self, calls: int = ALL_CALLS, mode: Mode = Mode.PASSES) -> None:
        """Release up to `calls` calls, the first one in `mode`."""
        await self._let_run()
        if not self.waiting:
            self.wake()
            await self._let_run()
        for _ in range(calls):
            if not self.waiting:
                break
            await self.gate.release(mode)
            await self._let_run()
            mode = Mode.PASSES

    async def _let_run(self) -> None:
        await idle()
        while self.gate.ungated_calls:
            await self.gate.ungated_call_ended.wait()
            await idle()
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()

    async def kill(self) -> None:
        """End it at once."""
        self.gate.is_dead = True
        await self._cancel()

    async def stop(self) -> None:
        """Cancel it, and release the calls that it makes to clean up."""
        assert self._task is not None, "it runs"
        self._task.cancel()
        await idle()
        while self.waiting:
            await self.gate.release(Mode.PASSES)
            await idle()
        await self.kill()

    async def _cancel(self) -> None:
        assert self._task is not None, "it runs"
        self._task.cancel()
        await asyncio.wait([self._task])
